/** Rows of text as numbers: what each column becomes is learnt from the training rows, then applied to any rows. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { type Dataset, inMemory, type Stored, type Task } from './dataset.ts';
import { fitText, type TextEncoding, type TextOptions, textEncoder } from './text.ts';

/** A header and rows of cells; every row is as long as the header. */
export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type ColumnEncoding =
  /** (value − mean) / std, a missing value is the mean and so becomes 0. */
  | { readonly kind: 'number'; readonly name: string; readonly mean: number; readonly std: number }
  /** One 0/1 column a value; a missing or unknown value is all zeros. */
  | { readonly kind: 'text'; readonly name: string; readonly values: readonly string[] }
  /** Prose: token ids, an input of its own. A missing value is a text without words. */
  | { readonly kind: 'prose'; readonly name: string; readonly encoding: TextEncoding };

type LabelEncoding =
  | { readonly kind: 'classes'; readonly name: string; readonly classes: readonly string[] }
  | { readonly kind: 'number'; readonly name: string };

/** All that is needed to encode further rows in the same way; plain JSON. */
export interface TableEncoding {
  readonly columns: readonly ColumnEncoding[];
  readonly label?: LabelEncoding;
}

export interface TableOptions extends Pick<TextOptions, 'length' | 'vocabulary' | 'tokenizer'> {
  /** The column to predict. Default: a column called label, labels, class, target or y, if there is one. */
  readonly label?: string;
  /** Columns that are left out. */
  readonly ignore?: readonly string[];
  /** Default: classification when the label is text or few whole numbers, else regression. */
  readonly task?: Exclude<Task, 'unlabelled'>;
  /** The rows are steps in order: the label's past is a feature too, and the last rows are those held back. Default false. */
  readonly isSeries?: boolean;
}

const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '?']);
const USUAL_LABELS = ['label', 'labels', 'class', 'target', 'y'];
/** A label with more whole numbers than this is a quantity, not a class. */
const MOST_CLASSES = 50;
/** A text column with more values than this is prose or a key, and one-hot would help nobody. */
const MOST_VALUES = 100;
/** Words per cell, on average, from which on many different texts are prose; fewer are keys or names. */
const PROSE_WORDS = 2;
/** The same where texts are few, and more than half of the cells differ. */
const FEW_PROSE_WORDS = 4;

export const isMissing = (cell: string): boolean => MISSING.has(cell.trim().toLowerCase());
const isNumber = (cell: string): boolean => cell.trim() !== '' && Number.isFinite(Number(cell));

/**
 * How the columns of these rows become numbers.
 *
 * A column is a number when each of its present cells is one, else text; a constant column has std 1. The kind and the
 * classes of the label come from `all` rows, since a rare class may be in rows that are held back.
 *
 * A text column of more than 100 values becomes token ids when its cells have several words; of fewer, when they have four and more and
 * most of them differ.
 *
 * Throws   data/column for a label or ignored column that is not there; data/text-column for more than 100 values of
 *          single words (keys, names); data/tokenizer; data/inputs when nothing is left to feed; data/label when the label suits no such task.
 */
export function fitTable(table: Table, options: TableOptions = {}, all: Table = table): TableEncoding {
  const { header } = table;
  const name = labelName(table, options);
  for (const wanted of [...(options.label === undefined ? [] : [options.label]), ...(options.ignore ?? [])]) {
    if (header.includes(wanted)) continue;
    const near = nearest(wanted, header);
    throw new PareError('data/column', `There is no column "${wanted}"${near ? `; did you mean "${near}"?` : '.'}`, {
      expected: header.join(', '),
    });
  }
  const label = name === undefined ? undefined : fitLabel(name, cellsOf(all, name), options.task);
  const columns = header
    .filter((column) => (options.isSeries || column !== name) && !options.ignore?.includes(column))
    .map((column) => fitColumn(column, cellsOf(table, column), options));
  if (!columns.length) {
    throw new PareError('data/inputs', 'No column is left to feed.', { expected: 'a column besides the label' });
  }
  return { columns, ...(label && { label }) };
}

const labelName = ({ header }: Table, { label }: TableOptions): string | undefined =>
  label ?? header.find((column) => USUAL_LABELS.includes(column.toLowerCase()));

/** The class number of every row, −1 where the label is missing; undefined when the label is no class. */
export function rowClasses(table: Table, options: TableOptions): Int32Array | undefined {
  const name = labelName(table, options);
  if (name === undefined || !table.header.includes(name)) return undefined;
  const label = fitLabel(name, cellsOf(table, name), options.task);
  if (label.kind === 'number') return undefined;
  const at = table.header.indexOf(name);
  return Int32Array.from(table.rows, (row) => label.classes.indexOf(row[at]!.trim()));
}

const cellsOf = ({ header, rows }: Table, name: string): string[] => {
  const at = header.indexOf(name);
  return rows.map((row) => row[at]!).filter((cell) => !isMissing(cell));
};

function fitColumn(name: string, present: readonly string[], options: TableOptions): ColumnEncoding {
  if (present.every(isNumber)) {
    const count = Math.max(1, present.length);
    const mean = present.reduce((sum, cell) => sum + Number(cell), 0) / count;
    const variance = present.reduce((sum, cell) => sum + (Number(cell) - mean) ** 2, 0) / count;
    return { kind: 'number', name, mean, std: Math.sqrt(variance) || 1 };
  }
  const values = [...new Set(present.map((cell) => cell.trim()))].sort();
  const isMany = values.length > MOST_VALUES;
  if (isMany || 2 * values.length > present.length || options.tokenizer) {
    const words = values.reduce((sum, value) => sum + value.split(/\s+/).length, 0);
    if (words >= (isMany ? PROSE_WORDS : FEW_PROSE_WORDS) * values.length || options.tokenizer) {
      return { kind: 'prose', name, encoding: fitText(present, options) };
    }
  }
  if (isMany) {
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
  columns.flatMap((column) => {
    if (column.kind === 'prose') return [];
    return column.kind === 'number' ? [column.name] : column.values.map((value) => `${column.name}=${value}`);
  });

/** An encoded table, and the number of rows that were left out because their label is missing. */
export interface Encoded {
  readonly dataset: Dataset;
  readonly dropped: number;
}

/**
 * The rows as a data set; rows without a label are left out and counted.
 *
 * Shapes   input `x` [features], where a column is no prose; each prose column an input of its name, int64 [length], or
 *          `input_ids`, `attention_mask` and `token_type_ids` when a model's tokenizer was given; labels [] (classes) or
 *          [1] (a number, in its own unit).
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
      if (column.kind === 'prose') return;
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
  const inputs: Record<string, Stored> = width > 0 ? { x: { dtype: 'float32', dims: [width], data: x } } : {};
  columns.forEach((column, k) => {
    if (column.kind !== 'prose') return;
    const cells = rows.map((row) => row[positions[k]!]!);
    Object.assign(inputs, proseInputs(column.name, cells, column.encoding));
  });
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

/** The texts of a column as ids; with a model's own tokenizer under the names that such models have. */
function proseInputs(name: string, cells: readonly string[], encoding: TextEncoding): Readonly<Record<string, Stored>> {
  const { length, size, isLearnt } = encoding;
  const encode = textEncoder(encoding);
  const column = (): Int32Array => new Int32Array(cells.length * length);
  const [ids, mask] = [column(), column()];
  cells.forEach((cell, i) => {
    const own = encode(isMissing(cell) ? '' : cell, ids.subarray(i * length, (i + 1) * length));
    mask.fill(1, i * length, i * length + own);
  });
  const stored = (data: Int32Array): Stored => ({ dtype: 'int64', dims: [length], data });
  const tokens = { ...stored(ids), tokens: size };
  if (isLearnt) return { [name]: tokens };
  return { input_ids: tokens, attention_mask: stored(mask), token_type_ids: stored(column()) };
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
