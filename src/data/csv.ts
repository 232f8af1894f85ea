/** Comma- and tab-separated files as tables. */

import { parse } from 'csv-parse/sync';
import { PareError } from '../base/error.ts';
import { fromTable, type SplitTableOptions, type TableSplits } from './split-table.ts';
import type { Table } from './table.ts';

/**
 * The header and rows in a text. Columns are parted by what the first line has most of: commas, semicolons, tabs or bars. A first row of numbers only is no header; the columns are then c0, c1, …
 *
 * Throws   data/csv with the line of a row that is too long, too short or badly quoted; data/empty without rows.
 */
export function readTable(text: string, where: string): Table {
  const isTabbed = /\.tsv(\.gz)?$/i.test(where);
  const delimiter = isTabbed ? '\t' : delimiterOf(text);
  let cells: string[][];
  try {
    cells = parse(text, { bom: true, delimiter, skip_empty_lines: true, ...(isTabbed && { quote: null }) });
  } catch (cause) {
    throw new PareError('data/csv', `"${where}" is not a regular table.`, {
      where,
      got: (cause as Error).message,
      cause,
    });
  }
  const first = cells[0] ?? [];
  const headless = first.length > 0 && first.every((cell) => cell.trim() !== '' && Number.isFinite(Number(cell)));
  const header = headless ? first.map((_, i) => `c${i}`) : first.map((cell) => cell.trim());
  const rows = headless ? cells : cells.slice(1);
  if (!rows.length) throw new PareError('data/empty', `"${where}" holds no rows.`, { where });
  return { header, rows };
}

/** What parts the columns: the mark that stands most often outside quotes in the first line; a comma where none does. */
function delimiterOf(text: string): string {
  const line = (/^.*/.exec(text)?.[0] ?? '').replaceAll(/"[^"]*"/g, '');
  const counts = [',', ';', '\t', '|'].map((mark) => [mark, line.split(mark).length - 1] as const);
  return counts.reduce((most, each) => (each[1] > most[1] ? each : most))[0];
}

/** A text as training and test data; see `fromTable`. Throws as readTable and fromTable do. */
export const fromCsv = (text: string, where: string, options: SplitTableOptions = {}): TableSplits =>
  fromTable(readTable(text, where), where, options);
