/** A table as training, validation and test data: what is learnt of its columns is learnt from the training rows. */

import { random } from '../base/random.ts';
import { baseName } from './disk.ts';
import { interleave, type Splits } from './subset.ts';
import {
  encodeTable,
  fitTable,
  isMissing,
  rowClasses,
  type Table,
  type TableEncoding,
  type TableOptions,
} from './table.ts';

export interface SplitTableOptions extends TableOptions {
  /** Share of the rows held back for `test`, 0 to 1. Default 0.2, or 0 with `encoding`. */
  readonly test?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Encode with what another table taught. */
  readonly encoding?: TableEncoding;
}

/** Splits of a table, with the encoding that further rows need. */
export interface TableSplits extends Splits {
  readonly encoding: TableEncoding;
  /** What a user should know: missing cells, rows left out. */
  readonly notes: readonly string[];
}

/** Tables that belong together: with a test table of its own, nothing is held back from the training rows. */
export interface TableParts {
  readonly validation?: Table | undefined;
  readonly test?: Table | undefined;
}

/**
 * A table as training and test data; means, spreads, categories and vocabularies are learnt from the training rows only.
 *
 * Rows are held back by class where the label is one, so that each part has the classes in their shares. Missing cells
 * (empty, NA, NaN, null, ?) become the training mean of a number, no category of a text.
 *
 * Throws   as fitTable and encodeTable.
 */
export function fromTable(
  table: Table,
  where: string,
  options: SplitTableOptions = {},
  { validation, test }: TableParts = {},
): TableSplits {
  const name = baseName(where);
  const notes = missingNotes(table);
  const { rest, held } = test ? { rest: table, held: test } : holdBack(table, options);
  const all = { ...table, rows: [...table.rows, ...(validation?.rows ?? []), ...(test?.rows ?? [])] };
  const isAlike = [validation, test].every((part) => !part || part.header.join('\t') === table.header.join('\t'));
  const encoding = options.encoding ?? fitTable(rest, options, isAlike ? all : table);
  const encode = (part: Table, role: string) => encodeTable(`${name} (${role})`, part, encoding);
  const parts = {
    train: held ? encode(rest, 'train') : encodeTable(name, rest, encoding),
    ...(validation && { validation: encode(validation, 'validation') }),
    ...(held && { test: encode(held, 'test') }),
  };
  const dropped = Object.values(parts).reduce((sum, part) => sum + part.dropped, 0);
  return {
    train: parts.train.dataset,
    ...(parts.validation && { validation: parts.validation.dataset }),
    ...(parts.test && { test: parts.test.dataset }),
    encoding,
    notes: [...notes, ...droppedNotes(dropped)],
  };
}

function holdBack(table: Table, options: SplitTableOptions): { rest: Table; held?: Table } {
  const { test = options.encoding ? 0 : 0.2, seed = 0, isSeries = false } = options;
  const count = table.rows.length;
  const held = test > 0 ? Math.min(count - 1, Math.max(1, Math.round(test * count))) : 0;
  const order = random(seed, 'split').shuffle(Int32Array.from(table.rows, (_, i) => i));
  const classes = held > 0 ? rowClasses(table, options) : undefined;
  const later = Int32Array.from(table.rows, (_, i) => count - 1 - i);
  const line = isSeries ? later : classes ? interleave(order, classes) : order;
  const part = (from: number, to: number): Table => ({
    header: table.header,
    rows: Array.from(line.slice(from, to).sort(), (i) => table.rows[i]!),
  });
  return { rest: part(held, count), ...(held > 0 && { held: part(0, held) }) };
}

const missingNotes = ({ header, rows }: Table): string[] =>
  header.flatMap((name, k) => {
    const count = rows.reduce((sum, row) => sum + (isMissing(row[k]!) ? 1 : 0), 0);
    return count ? [`column ${name}: ${count} of ${rows.length} cells are missing`] : [];
  });

const droppedNotes = (dropped: number): string[] =>
  dropped ? [`${dropped} rows have no label and were left out`] : [];
