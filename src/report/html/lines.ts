/** Lines of one number per epoch, one panel over the other. */

import { WIDTH } from './bars.ts';
import { html, type Markup } from './markup.ts';
import { axisOf, place } from './scale.ts';

const HEIGHT = 165;
const LEFT = 48;
const RIGHT = 6;
const TOP = 28;
const BOTTOM = 26;

/** At most seven whole numbers from 1 to `count`, equally far apart. */
function epochTicks(count: number): number[] {
  const step = Math.max(1, Math.ceil((count - 1) / 6));
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => 1 + i * step);
}

/** One line of a figure. */
export interface Line {
  readonly name: string;
  /** By epoch 1, 2, …; what is not a finite number leaves a gap. */
  readonly values: readonly number[];
  readonly show: (value: number) => string;
  /** Labels of the axis, if they differ. */
  readonly tick?: (value: number) => string;
}

/** A figure with a panel for each line, all over the same epochs. */
export const lines = (title: string, panels: readonly Line[]): Markup => html`
<figure class="card"><figcaption>${title} <small>${panels[0]!.values.length} epochs</small></figcaption>
${panels.map(panel)}</figure>`;

function panel({ name, values, show, tick: label = show }: Line): Markup {
  const axis = axisOf(values);
  const across = { low: 0, high: values.length - 1 };
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  const x = (i: number): number => (values.length === 1 ? middle : place(i, across, LEFT, WIDTH - RIGHT));
  const y = (value: number): number => place(value, axis, HEIGHT - BOTTOM, TOP);
  const last = values.findLastIndex(Number.isFinite);
  const shown = last < 0 ? '' : show(values[last]!);
  return html`
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${name} over ${values.length} epochs, ${shown} at the end">
<text y="12" class="small">${name}</text><text x="${WIDTH}" y="12" class="end small strong">${shown}</text>
${axis.ticks.map(
  (tick) => html`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" class="grid"/>
<text x="${LEFT - 7}" y="${y(tick) + 4}" class="end soft small">${label(tick)}</text>`,
)}
${epochTicks(values.length).map(
  (tick) => html`<text x="${x(tick - 1)}" y="${HEIGHT - 6}" class="middle soft small">${tick}</text>`,
)}
<path d="${pathOf(values, x, y)}" class="curve"/>
${last >= 0 && html`<circle cx="${x(last)}" cy="${y(values[last]!)}" r="3.5" class="after"/>`}
</svg>`;
}

function pathOf(values: readonly number[], x: (i: number) => number, y: (value: number) => number): string {
  let isPenDown = false;
  return values
    .map((value, i) => {
      const verb = isPenDown ? 'L' : 'M';
      isPenDown = Number.isFinite(value);
      return isPenDown ? `${verb}${x(i)} ${y(value)}` : '';
    })
    .join('');
}
