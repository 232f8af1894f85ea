/** Bars of one number per step, bars of before and after per layer, and dots where zero would say nothing. */

import { shorten } from '../table.ts';
import { html, type Markup } from './markup.ts';
import { axisOf, place, round } from './scale.ts';

/** Width of every chart in its own units; the page shows them at about this many pixels, so text keeps its size. */
export const WIDTH = 360;

export interface Row {
  readonly name: string;
  readonly value: number;
  /** The value in words. */
  readonly shown: string;
}

const figure = (caption: Markup, height: number, label: string, marks: readonly Markup[]): Markup => html`
<figure class="card"><figcaption>${caption}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">${marks}</svg></figure>`;

const describe = (title: string, rows: readonly Row[]): string =>
  `${title}: ${rows.map(({ name, shown }) => `${name} ${shown}`).join('; ')}`;

const heading = ({ name, shown }: Row, y: number, isLast: boolean): Markup => html`
<text y="${y}"${isLast && STRONG}>${shorten(name, 30)}<title>${name}</title></text>
<text x="${WIDTH}" y="${y}" class="end${isLast && ' strong'}">${shown}</text>`;
const STRONG = html` class="strong"`;

const STEP = 36;

/** A bar from zero for each step; the last step stands out, unless all rows are alike. */
export function bars(title: string, unit: string, rows: readonly Row[], areAlike = false): Markup {
  const most = Math.max(...rows.map(({ value }) => value), Number.MIN_VALUE);
  const marks = rows.map((row, i) => {
    const isLast = !areAlike && i === rows.length - 1;
    const width = Math.max(2, round((row.value / most) * WIDTH));
    return html`${heading(row, i * STEP + 12, isLast)}
<rect y="${i * STEP + 18}" width="${WIDTH}" height="8" rx="4" class="track"/>
<rect y="${i * STEP + 18}" width="${width}" height="8" rx="4" class="${isLast ? 'after' : 'bar'}"/>`;
  });
  return figure(html`${title} <small>${unit}</small>`, rows.length * STEP - 6, describe(title, rows), marks);
}

/** A dot on a common axis for each step: for shares that all lie close together. */
export function dots(title: string, unit: string, rows: readonly Row[], show: (value: number) => string): Markup {
  const axis = axisOf(rows.map(({ value }) => value));
  const edge = 5;
  const at = (value: number): number => place(value, axis, edge, WIDTH - edge);
  const height = rows.length * STEP + 12;
  const marks = [
    ...axis.ticks.map(
      (tick) => html`<line x1="${at(tick)}" x2="${at(tick)}" y1="18" y2="${height - 18}" class="grid"/>`,
    ),
    ...rows.map((row, i) => {
      const isLast = i === rows.length - 1;
      const y = i * STEP + 22;
      return html`${heading(row, i * STEP + 12, isLast)}
<rect y="${y - 1.5}" width="${WIDTH}" height="3" rx="1.5" class="track"/>
<circle cx="${at(row.value)}" cy="${y}" r="5" class="${isLast ? 'after' : 'bar'}"/>`;
    }),
    html`<text y="${height - 2}" class="soft small">${show(axis.low)}</text>
<text x="${WIDTH}" y="${height - 2}" class="soft small end">${show(axis.high)}</text>`,
  ];
  return figure(html`${title} <small>${unit}</small>`, height, describe(title, rows), marks);
}

export interface PairRow {
  readonly name: string;
  readonly before?: number;
  readonly after?: number;
}

const PAIR_STEP = 40;

/** Two bars for each layer, before over after, all to one scale. */
export function pairs(title: string, rows: readonly PairRow[], show: (value: number) => string): Markup {
  const most = Math.max(...rows.flatMap(({ before = 0, after = 0 }) => [before, after]), Number.MIN_VALUE);
  const width = (value: number): number => (value > 0 ? Math.max(1.5, round((value / most) * WIDTH)) : 0);
  const words = rows.map(({ before, after }) => {
    const [from, to] = [before, after].map((value) => (value === undefined ? '–' : show(value)));
    return from === to ? from! : `${from} → ${to}`;
  });
  const marks = rows.map(({ name, before = 0, after = 0 }, i) => {
    const y = i * PAIR_STEP;
    return html`<text y="${y + 12}">${shorten(name, 28)}<title>${name}</title></text>
<text x="${WIDTH}" y="${y + 12}" class="end soft small">${words[i]}</text>
<rect y="${y + 17}" width="${width(before)}" height="6" rx="1.5" class="before"/>
<rect y="${y + 24}" width="${width(after)}" height="6" rx="1.5" class="after"/>`;
  });
  const label = `${title}: ${rows.map(({ name }, i) => `${name} ${words[i]}`).join('; ')}`;
  return figure(
    html`${title} <small><span class="key"></span>before<span class="key now"></span>after</small>`,
    rows.length * PAIR_STEP - 8,
    label,
    marks,
  );
}
