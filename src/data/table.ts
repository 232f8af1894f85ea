/** Rows of text as numbers: what each column becomes is learnt from the training rows, then applied to any rows. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { type Dataset, inMemory, type Task } from './dataset.ts';

/** A header and rows of cells; every row is as long as the header. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type ColumnEncoding =
  /** (value − mean) / std, a missing value is the mean and so becomes 0. */
  | { readonly kind: 'number'; readonly name: string; readonly mean: number; readonly std: number }
  /** One 0/1 column a value; a missing or unknown value is all zeros. */
  | { readonly kind: 'text'; readonly name: string; readonly values: readonly string[] };

type LabelEncoding =
  | { readonly kind: 'classes'; readonly name: string; readonly classes: readonly string[] }
  | { readonly kind: 'number'; readonly name: string };

/** All that is needed to encode further rows in the same way; plain JSON. */
export interface TableEncoding {
  readonly columns: readonly ColumnEncoding[];
  readonly label?: LabelEncoding;
}

export interface TableOptions {
  /** The column to predict. Default: a column called label, labels, class, target or y, if there is one. */
  readonly label?: string;
  /** Columns that are left out. */
  readonly ignore?: readonly string[];
  /** Default: classification when the label is text or few whole numbers, else regression. */
  readonly task?: Exclude<Task, 'unlabelled'>;
}

const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '?']);
const USUAL_LABELS = ['label', 'labels', 'class', 'target', 'y'];
/** A label with more whole numbers than this is a quantity, not a class. */
const MOST_CLASSES = 50;
/** A text column with more values than this is prose or a key, and one-hot would help nobody. */
const MOST_VALUES = 100;

export const isMissing = (cell: string): boolean => MISSING.has(cell.trim().toLowerCase());
const isNumber = (cell: string): boolean => cell.trim() !== '' && Number.isFinite(Number(cell));

/**
 * How the columns of these rows become numbers.
 *
 * A column is a number when each of its present cells is one, else text; a constant column has std 1. The kind and the
 * classes of the label come from `all` rows, since a rare class may be in rows that are held back.
 *
 * Throws   data/column for a label or ignored column that is not there; data/text-column for a text column with more
 *          than 100 values; data/inputs when nothing is left to feed; data/label when the label suits no such task.
 */
export function fitTable(table: Table, options: TableOptions = {}, all: Table = table): TableEncoding {
  const { header } = table;
  const name = options.label ?? header.find((column) => USUAL_LABELS.includes(column.toLowerCase()));
  for (const wanted of [...(options.label === undefined ? [] : [options.label]), ...(options.ignore ?? [])]) {
    if (header.includes(wanted)) continue;
    const near = nearest(wanted, header);
    throw new PareError('data/column', `There is no column "${wanted}"${near ? `; did you mean "${near}"?` : '.'}`, {
      expected: header.join(', '),
    });
  }
  const label = name === undefined ? undefined : fitLabel(name, cellsOf(all, name), options.task);
  const columns = header
    .filter((column) => column !== name && !options.ignore?.includes(column))
    .map((column) => fitColumn(column, cellsOf(table, column)));
  if (!columns.length) {
    throw new PareError('data/inputs', 'No column is left to feed.', { expected: 'a column besides the label' });
  }
  return { columns, ...(label && { label }) };
}

const cellsOf = ({ header, rows }: Table, name: string): string[] => {
  const at = header.indexOf(name);
  return rows.map((row) => row[at]!).filter((cell) => !isMissing(cell));
};

function fitColumn(name: string, present: readonly string[]): ColumnEncoding {
  if (present.every(isNumber)) {
    const count = Math.max(1, present.length);
    const mean = present.reduce((sum, cell) => sum + Number(cell), 0) / count;
    const variance = present.reduce((sum, cell) => sum + (Number(cell) - mean) ** 2, 0) / count;
    return { kind: 'number', name, mean, std: Math.sqrt(variance) || 1 };
  }
  const values = [...new Set(present.map((cell) => cell.trim()))].sort();
  if (values.length > MOST_VALUES) {
    throw new PareError('data/text-column', `Column "${name}" has ${values.length} different texts.`, {
      where: name,
      expected: `at most ${MOST_VALUES} values to one-hot encode`,
      got: `"${values[0]!.slice(0, 40)}", …`,
      hint: 'leave the column out, or turn its text into numbers first',
    });
  }
  return { kind: 'text', name, values };
}

function fitLabel(name: string, present: readonly string[], task: TableOptions['task']): LabelEncoding {
  const values = [...new Set(present.map((cell) => cell.trim()))];
  const numeric = values.every(isNumber);
  const few = values.length <= MOST_CLASSES && 2 * values.length <= present.length;
  const whole = numeric && values.every((value) => Number.isInteger(Number(value)));
  const kind = task ?? (!numeric || (whole && few) ? 'classification' : 'regression');
  if (kind === 'regression') {
    if (numeric) return { kind: 'number', name };
    throw new PareError('data/label', `Column "${name}" cannot be predicted as a number: it holds text.`, {
      where: name,
      got: `"${values.find((value) => !isNumber(value))}"`,
    });
  }
  if (!numeric && !few && task === undefined) {
    throw new PareError('data/label', `Column "${name}" has ${values.length} different texts: too many for classes.`, {
      where: name,
      expected: `at most ${MOST_CLASSES} classes, each seen twice or more on average`,
    });
  }
  return { kind: 'classes', name, classes: numeric ? values.sort((p, q) => Number(p) - Number(q)) : values.sort() };
}

/** Names of the encoded features, in order: `age`, `town=Oslo`, … */
export const featuresOf = ({ columns }: TableEncoding): string[] =>
  columns.flatMap((column) =>
    column.kind === 'number' ? [column.name] : column.values.map((value) => `${column.name}=${value}`),
  );

/** An encoded table, and the number of rows that were left out because their label is missing. */
export interface Encoded {
  readonly dataset: Dataset;
  readonly dropped: number;
}

/**
 * The rows as a data set; rows without a label are left out and counted.
 *
 * Shapes   input `x` [features]; labels [] (classes) or [1] (a number, in its own unit).
 * Throws   data/column for a column that is missing; data/cell for text where the training rows had numbers;
 *          data/classes for a class that they did not have; data/empty when no row is left.
 */
export function encodeTable(name: string, table: Table, encoding: TableEncoding): Encoded {
  const { columns, label } = encoding;
  const positions = columns.map((column) => positionOf(name, table, column.name));
  const labelAt = label && table.header.includes(label.name) ? table.header.indexOf(label.name) : -1;
  const rows = labelAt < 0 ? table.rows : table.rows.filter((row) => !isMissing(row[labelAt]!));
  if (!rows.length) throw new PareError('data/empty', `"${name}" holds no usable rows.`, { where: name });
  const width = featuresOf(encoding).length;
  const x = new Float32Array(rows.length * width);
  rows.forEach((row, i) => {
    let at = i * width;
    columns.forEach((column, k) => {
      const cell = row[positions[k]!]!;
      if (column.kind === 'text') {
        const value = column.values.indexOf(cell.trim());
        if (value >= 0 && !isMissing(cell)) x[at + value] = 1;
        at += column.values.length;
        return;
      }
      if (!isMissing(cell)) x[at] = (numberIn(name, column.name, cell) - column.mean) / column.std;
      at += 1;
    });
  });
  const inputs = { x: { dtype: 'float32', dims: [width], data: x } as const };
  const dropped = table.rows.length - rows.length;
  if (!label || labelAt < 0) return { dataset: inMemory({ name, inputs }), dropped };
  if (label.kind === 'number') {
    const data = Float32Array.from(rows, (row) => numberIn(name, label.name, row[labelAt]!));
    return { dataset: inMemory({ name, inputs, labels: { dtype: 'float32', dims: [1], data } }), dropped };
  }
  const data = Int32Array.from(rows, (row) => classOf(name, label.name, label.classes, row[labelAt]!.trim()));
  const labels = { dtype: 'int64', dims: [], data } as const;
  return { dataset: inMemory({ name, inputs, labels, classes: label.classes }), dropped };
}

function positionOf(name: string, { header }: Table, column: string): number {
  const at = header.indexOf(column);
  if (at >= 0) return at;
  throw new PareError('data/column', `"${name}" has no column "${column}", which the training rows have.`, {
    where: name,
    expected: column,
    got: header.join(', '),
  });
}

function numberIn(name: string, column: string, cell: string): number {
  if (isNumber(cell)) return Number(cell);
  throw new PareError('data/cell', `Column "${column}" of "${name}" holds "${cell}", which is not a number.`, {
    where: `${name}, column ${column}`,
    got: `"${cell}"`,
  });
}

function classOf(name: string, column: string, classes: readonly string[], cell: string): number {
  const exact = classes.indexOf(cell);
  const index =
    exact >= 0 || !isNumber(cell) ? exact : classes.findIndex((one) => isNumber(one) && Number(one) === Number(cell));
  if (index >= 0) return index;
  throw new PareError('data/classes', `"${name}" has a class "${cell}" that the training rows do not have.`, {
    where: `${name}, column ${column}`,
    expected: classes.join(', '),
    got: cell,
  });
}
