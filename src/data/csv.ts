/** Comma- and tab-separated files, split and encoded. */

import { parse } from 'csv-parse/sync';
import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import { baseName } from './disk.ts';
import type { Splits } from './subset.ts';
import { encodeTable, fitTable, isMissing, type Table, type TableEncoding, type TableOptions } from './table.ts';

export interface CsvOptions extends TableOptions {
  /** Share of the rows held back for `test`, 0 to 1. Default 0.2. */
  readonly test?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Encode with what another table taught, and do not split: for rows to score on. */
  readonly encoding?: TableEncoding;
}

/** Splits of a table, with the encoding that further rows need. */
export interface TableSplits extends Splits {
  readonly encoding: TableEncoding;
  /** What a user should know: missing cells, rows left out. */
  readonly notes: readonly string[];
}

/**
 * The header and rows in a text. A first row of numbers only is no header; the columns are then c0, c1, …
 *
 * Throws   data/csv with the line of a row that is too long, too short or badly quoted; data/empty without rows.
 */
export function readTable(text: string, where: string): Table {
  const delimiter = /\.tsv(\.gz)?$/i.test(where) ? '\t' : ',';
  let cells: string[][];
  try {
    cells = parse(text, { bom: true, delimiter, skip_empty_lines: true, ...(delimiter === '\t' && { quote: null }) });
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

/**
 * A table as training and test data; means, spreads and categories are learnt from the training rows only.
 *
 * Missing cells (empty, NA, NaN, null, ?) become the training mean of a number, no category of a text.
 *
 * Throws   as readTable, fitTable and encodeTable.
 */
export function fromCsv(text: string, where: string, options: CsvOptions = {}): TableSplits {
  const { test = 0.2, seed = 0 } = options;
  const table = readTable(text, where);
  const name = baseName(where);
  const notes = missingNotes(table);
  if (options.encoding) {
    const { dataset, dropped } = encodeTable(name, table, options.encoding);
    return { train: dataset, encoding: options.encoding, notes: [...notes, ...droppedNotes(dropped)] };
  }
  const order = random(seed, 'split').shuffle(Int32Array.from(table.rows, (_, i) => i));
  const held = test > 0 ? Math.min(table.rows.length - 1, Math.max(1, Math.round(test * table.rows.length))) : 0;
  const part = (from: number, to: number): Table => ({
    header: table.header,
    rows: Array.from(order.subarray(from, to).sort(), (i) => table.rows[i]!),
  });
  const tests = part(0, held);
  const trains = part(held, table.rows.length);
  const encoding = fitTable(trains, options, table);
  const train = encodeTable(held ? `${name} (train)` : name, trains, encoding);
  const scored = held ? encodeTable(`${name} (test)`, tests, encoding) : undefined;
  return {
    train: train.dataset,
    ...(scored && { test: scored.dataset }),
    encoding,
    notes: [...notes, ...droppedNotes(train.dropped + (scored?.dropped ?? 0))],
  };
}

const missingNotes = ({ header, rows }: Table): string[] =>
  header.flatMap((name, k) => {
    const count = rows.reduce((sum, row) => sum + (isMissing(row[k]!) ? 1 : 0), 0);
    return count ? [`column ${name}: ${count} of ${rows.length} cells are missing`] : [];
  });

const droppedNotes = (dropped: number): string[] =>
  dropped ? [`${dropped} rows have no label and were left out`] : [];
