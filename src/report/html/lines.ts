/** A line of one number per epoch. */

import { WIDTH } from './bars.ts';
import { html, type Markup } from './markup.ts';
import { axisOf, place } from './scale.ts';

const HEIGHT = 190;
const LEFT = 46;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 34;

/** At most about seven whole numbers from 1 to `count`, the first and the last among them. */
function epochTicks(count: number): number[] {
  const step = Math.max(1, Math.ceil((count - 1) / 6));
  const ticks = Array.from({ length: Math.ceil(count / step) }, (_, i) => 1 + i * step).filter((tick) => tick <= count);
  if (count - ticks.at(-1)! >= step / 2) ticks.push(count);
  else ticks[ticks.length - 1] = count;
  return ticks;
}

/**
 * The values over the epochs 1, 2, …; what is not a finite number leaves a gap.
 *
 * Most long runs have more epochs than pixels: each value is still drawn.
 */
export function line(title: string, values: readonly number[], show: (value: number) => string): Markup {
  const axis = axisOf(values);
  const x = (i: number): number =>
    values.length === 1
      ? (LEFT + WIDTH - RIGHT) / 2
      : place(i, { low: 0, high: values.length - 1 }, LEFT, WIDTH - RIGHT);
  const y = (value: number): number => place(value, axis, HEIGHT - BOTTOM, TOP);
  let isPenDown = false;
  const path = values
    .map((value, i) => {
      if (!Number.isFinite(value)) {
        isPenDown = false;
        return '';
      }
      const verb = isPenDown ? 'L' : 'M';
      isPenDown = true;
      return `${verb}${x(i)} ${y(value)}`;
    })
    .join('');
  const last = values.findLastIndex(Number.isFinite);
  const shown = last < 0 ? '' : show(values[last]!);
  return html`
<figure class="card"><figcaption>${title} <small>${shown && `${shown} at the end`}</small></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title} over ${values.length} epochs, ${shown} at the end">
${axis.ticks.map(
  (tick) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" class="grid"/>
<text x="${LEFT - 7}" y="${y(tick) + 4}" class="end soft small">${show(tick)}</text>`,
)}
${epochTicks(values.length).map(
  (tick) => html`<text x="${x(tick - 1)}" y="${HEIGHT - BOTTOM + 16}" class="middle soft small">${tick}</text>`,
)}
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 3}" class="middle soft small">epoch</text>
<path d="${path}" class="curve"/>
${last >= 0 && html`<circle cx="${x(last)}" cy="${y(values[last]!)}" r="3.5" class="after"/>`}
</svg></figure>`;
}
