/** The picture of a learning-rate range test: smoothed loss over the logarithm of the rate. */

import { html } from './markup.ts';
import { axisOf, place, round } from './scale.ts';

export interface RangePoints {
  readonly points: readonly { readonly lr: number; readonly loss: number; readonly smooth: number }[];
  readonly chosen: number;
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 300, 56, 12, 28, 34];

/** A whole SVG file; single losses are dots, the line is their running mean, the mark is the rate that was chosen. */
export function rangePlot({ points, chosen }: RangePoints): string {
  const shown = points.filter(({ loss, smooth }) => Number.isFinite(loss) && Number.isFinite(smooth));
  const axis = axisOf(shown.map(({ smooth }) => smooth));
  const powers = shown.map(({ lr }) => Math.log10(lr));
  const across = { low: Math.min(...powers), high: Math.max(...powers) };
  const x = (lr: number): number => round(place(Math.log10(lr), across, LEFT, WIDTH - RIGHT));
  const y = (loss: number): number => {
    const inside = Math.min(axis.high, Math.max(axis.low, loss));
    return round(place(inside, axis, HEIGHT - BOTTOM, TOP));
  };
  const decades = Array.from(
    { length: Math.floor(across.high) - Math.ceil(across.low) + 1 },
    (_, i) => Math.ceil(across.low) + i,
  );
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="16">Learning-rate range test: smoothed loss, and the rate that was chosen (${chosen.toPrecision(2)})</text>
${axis.ticks.map(
  (tick) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>
<text x="${LEFT - 6}" y="${y(tick) + 4}" text-anchor="end" fill="#555">${Number(tick.toPrecision(3))}</text>
`,
)}${decades.map(
  (power) =>
    html`<text x="${x(10 ** power)}" y="${HEIGHT - 12}" text-anchor="middle" fill="#555">${`1e${power}`}</text>
`,
)}${shown.map(
  ({ lr, loss }) => html`<circle cx="${x(lr)}" cy="${y(loss)}" r="1.5" fill="#9bb"/>
`,
)}<path d="${shown.map(({ lr, smooth }, i) => `${i === 0 ? 'M' : 'L'}${x(lr)} ${y(smooth)}`).join('')}" fill="none" stroke="#0a6" stroke-width="2"/>
<line x1="${x(chosen)}" x2="${x(chosen)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#c40" stroke-dasharray="4 3"/>
</svg>
`.markup;
}
