/** Every trial as a dot: what it lost over what it costs. The recipe shows under the pointer, or with the keyboard. */

import { shorten } from '../table.ts';
import { html, type Markup } from './markup.ts';
import { place } from './scale.ts';

export interface Dot {
  readonly x: number;
  readonly y: number;
  /** What it is, and its figures. */
  readonly label: string;
  readonly detail: string;
  readonly kind: 'tried' | 'frontier' | 'chosen' | 'original';
}

export interface ScatterOptions {
  readonly title: string;
  readonly unit: string;
  readonly showX: (x: number) => string;
  readonly showY: (y: number) => string;
  /** A horizontal line: the bound. */
  readonly bound?: { readonly y: number; readonly label: string } | undefined;
}

const WIDTH = 560;
const HEIGHT = 340;
const [LEFT, RIGHT, TOP, BOTTOM] = [58, 16, 20, 78];
const RADIUS = { tried: 4.5, frontier: 5.5, chosen: 7.5, original: 6 } as const;
/** Dots are drawn in this order, so that what matters lies on top. */
const ORDER = ['tried', 'frontier', 'original', 'chosen'] as const;

/** x on a logarithmic axis, y on one that is linear near zero and logarithmic beyond: losses span from 0 to all. */
export function scatter(dots: readonly Dot[], { title, unit, showX, showY, bound }: ScatterOptions): Markup {
  const xs = dots.map(({ x }) => Math.log(x));
  const across = padded(Math.min(...xs), Math.max(...xs));
  const knee = Math.max(bound?.y ?? 0, 1e-3);
  const bend = (y: number): number => Math.sign(y) * Math.log1p(Math.abs(y) / knee);
  const ys = [0, ...(bound ? [bound.y] : []), ...dots.map(({ y }) => y)].map(bend);
  const up = padded(Math.min(...ys), Math.max(...ys));
  const x = (value: number): number => place(Math.log(value), across, LEFT, WIDTH - RIGHT);
  const y = (value: number): number => place(bend(value), up, HEIGHT - BOTTOM, TOP);
  const sorted = [...dots].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  return html`
<figure class="card wide"><figcaption>${title} <small>${unit}</small></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}: ${dots.length} models">
${ticksBetween(up, bend, knee).map(
  (tick) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" class="grid"/>
<text x="${LEFT - 8}" y="${y(tick) + 4}" class="end soft small">${showY(tick)}</text>`,
)}
${logTicks(across).map(
  (tick) => html`<line x1="${x(tick)}" x2="${x(tick)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" class="grid"/>
<text x="${x(tick)}" y="${HEIGHT - BOTTOM + 17}" class="middle soft small">${showX(tick)}</text>`,
)}
${
  bound &&
  html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(bound.y)}" y2="${y(bound.y)}" class="bound"/>
<text x="${WIDTH - RIGHT}" y="${y(bound.y) - 5}" class="end soft small">${bound.label}</text>`
}
<g class="dots">${sorted.map(
    (dot) => html`<g tabindex="0" class="dot ${dot.kind}"><title>${dot.label}
${dot.detail}</title><circle cx="${x(dot.x)}" cy="${y(dot.y)}" r="${RADIUS[dot.kind]}"/>
<g class="told"><text x="0" y="${HEIGHT - 26}" class="small strong">${shorten(dot.label, 84)}</text><text x="0" y="${HEIGHT - 8}" class="small soft">${dot.detail}</text></g></g>
`,
  )}</g>
</svg>
<p class="legend"><span class="mark original"></span>original <span class="mark chosen"></span>chosen <span class="mark frontier"></span>best trade-offs <span class="mark tried"></span>tried</p></figure>`;
}

const padded = (low: number, high: number): { low: number; high: number } => {
  const room = (high - low || 1) * 0.07;
  return { low: low - room, high: high + room };
};

/** Round numbers within the axis, as far apart as words are wide: 1, 2 and 5 times powers of ten, or all tenths where those are too few. */
function logTicks({ low, high }: { low: number; high: number }): number[] {
  const inside = (times: readonly number[]): number[] => {
    const all: number[] = [];
    for (let power = Math.floor(low / Math.LN10); power <= high / Math.LN10; power++)
      for (const digit of times) all.push(digit * 10 ** power);
    return all.filter((tick) => Math.log(tick) >= low && Math.log(tick) <= high);
  };
  const coarse = inside([1, 2, 5]);
  const ticks = coarse.length >= 3 ? coarse : inside([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]);
  const room = (high - low) * 0.12;
  const kept: number[] = [];
  for (const tick of ticks) if (Math.log(tick / (kept.at(-1) ?? 0)) >= room) kept.push(tick);
  return kept;
}

/** Zero, and powers of ten times the knee, within the axis. */
function ticksBetween(axis: { low: number; high: number }, bend: (y: number) => number, knee: number): number[] {
  const sizes = [0.3, 1, 3, 10, 30, 100, 300].map((times) => times * knee);
  const all = [...sizes.map((size) => -size).reverse(), 0, ...sizes];
  const inside = all.filter((tick) => bend(tick) >= axis.low && bend(tick) <= axis.high && Math.abs(tick) <= 1);
  // outwards from zero, as far apart as a line of text is high
  const room = (axis.high - axis.low) * 0.07;
  const apart = (ticks: readonly number[]): number[] => {
    const kept: number[] = [];
    for (const tick of ticks) if (Math.abs(bend(tick) - bend(kept.at(-1) ?? 0)) >= room) kept.push(tick);
    return kept;
  };
  return [...apart(inside.filter((tick) => tick < 0).reverse()), 0, ...apart(inside.filter((tick) => tick > 0))];
}
