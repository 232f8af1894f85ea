/** Tables for a terminal: aligned columns, and colour where the terminal wants it. */

import { stripVTControlCharacters, styleText } from 'node:util';

/** Words dressed for a terminal, or left plain. */
export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
export type Paint = (style: Style, text: string) => string;

/** Colours nothing. */
export const plain: Paint = (_, text) => text;

/** Colours if `stream` is a terminal that takes it and NO_COLOR is not set. */
export function paintFor(
  stream: { isTTY?: boolean | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Paint {
  const isForced = !!env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0';
  const isWanted = !env['NO_COLOR'] && env['TERM'] !== 'dumb' && env['FORCE_COLOR'] !== '0';
  if (!isForced && !(isWanted && stream.isTTY)) return plain;
  return (style, text) => styleText(style, text, { validateStream: false });
}

export interface Column {
  readonly title: string;
  /** Default 'right'. */
  readonly align?: 'left' | 'right';
  /** Longer cells lose their middle on a terminal. Default: nothing is lost. */
  readonly most?: number;
}

/** Figures under titles, a cell for each column. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

/** Text that fits: its middle goes first, since names differ at both ends. */
export function shorten(text: string, most: number): string {
  const signs = [...text];
  if (signs.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${signs.slice(0, most - 1 - tail).join('')}…${signs.slice(signs.length - tail).join('')}`;
}

/** Columns that a terminal gives to a text: wide signs count twice, combining ones not at all. */
export const widthOf = (text: string): number => {
  let width = 0;
  for (const sign of stripVTControlCharacters(text)) {
    if (/\p{Mn}|\u200d/u.test(sign)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Emoji_Presentation}/u.test(
        sign,
      )
        ? 2
        : 1;
  }
  return width;
};

/**
 * Rows under their titles, a line each; columns of blank cells are left out.
 *
 * @example
 * table([{ title: 'model', align: 'left' }, { title: 'size' }], [['before', '1.20 MB'], ['after', '98.4 kB']])
 * //  model      size
 * //  before  1.20 MB
 * //  after   98.4 kB
 */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], paint: Paint = plain): string {
  const shown = columns.flatMap((column, i) => (rows.some((row) => row[i]) ? [{ ...column, i }] : []));
  const cellsOf = (row: readonly string[]): string[] =>
    shown.map(({ i, most = Number.POSITIVE_INFINITY }) => shorten(row[i] ?? '', most));
  const lines = rows.map(cellsOf);
  const widths = shown.map(({ title }, n) => Math.max(widthOf(title), ...lines.map((cells) => widthOf(cells[n]!))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, n) => {
        const pad = ' '.repeat(Math.max(0, widths[n]! - widthOf(cell)));
        return (shown[n]!.align ?? 'right') === 'left' ? cell + pad : pad + cell;
      })
      .join('  ')
      .trimEnd();
  const head = line(shown.map(({ title }) => title));
  return [paint('dim', head), ...lines.map(line)].join('\n');
}
