/** Does a node fit the form that its op has in some opset? Told by the table of all forms; names no op. */

import type { DType } from '../graph/dtype.ts';
import type { AttrValue } from '../graph/model.ts';
import { CLASSES, ELEMENT, FORMS } from './forms.ts';
import { trimmed } from './history.ts';
import type { HistoricNode, Row } from './op.ts';

interface Form {
  readonly since: number;
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
  readonly attrs: readonly string[];
}

interface Slot {
  /** Letters of the element types; none for what is no tensor. */
  readonly types: string;
  readonly many: 'one' | 'maybe' | 'any';
}

/** The forms of an op, oldest first; undefined for an op that the table does not hold. */
function formsOf(op: string): readonly Form[] | undefined {
  const known = read.get(op);
  if (known || !FORMS[op]) return known;
  const forms = FORMS[op].split('|').flatMap((text) => {
    const [since, slots, ...attrs] = text.split(' ') as [string, string?, ...string[]];
    if (slots === undefined) return [];
    const [inputs, outputs] = slots.split('>').map(slotsOf) as [Slot[], Slot[]];
    return [{ since: Number(since), inputs, outputs, attrs }];
  });
  read.set(op, forms);
  return forms;
}

/** The rows of the table that somebody asked for. */
const read = new Map<string, readonly Form[]>();

const slotsOf = (text: string): Slot[] =>
  [...text.matchAll(/([^?*])([?*]?)/g)].map(([, letter, mark]) => ({
    types: CLASSES[letter!] ?? '',
    many: mark === '?' ? 'maybe' : mark === '*' ? 'any' : 'one',
  }));

/** A node in the form of some opset, or why it cannot be and the first opset whose form might hold it. */
export type Fit = { readonly node: HistoricNode } | { readonly why: string; readonly needs: number };

/**
 * The node in the form that its op had in `opset`: attributes that came later are left out where they say what was
 * understood anyway.
 */
export function fit(node: HistoricNode, row: Row, opset: number, dtype: (name: string) => DType | undefined): Fit {
  const forms = formsOf(node.op);
  if (!forms) return { node };
  const at = forms.findLastIndex(({ since }) => since <= opset);
  const tried = at < 0 ? `${node.op} came with opset ${forms[0]!.since}` : into(node, row, forms[at]!, dtype);
  if (typeof tried !== 'string') return { node: tried };
  const later = forms.slice(at + 1).find((form) => typeof into(node, row, form, dtype) !== 'string');
  return { why: tried, needs: later?.since ?? opset + 1 };
}

/** The node in this form, or what does not fit. */
function into(
  node: HistoricNode,
  row: Row,
  form: Form,
  dtype: (name: string) => DType | undefined,
): HistoricNode | string {
  const [late, attrs] = [{ ...node.attrs }, { ...node.attrs }];
  for (const name of form.attrs) delete late[name];
  for (const [name, { value }] of Object.entries(late)) {
    if (!isSame(value, row.attrs[name]?.fallback)) return `it had no attribute "${name}"`;
    delete attrs[name];
  }
  const inputs = trimmed(node.inputs);
  const unfit = misfits(inputs, form.inputs, 'input', dtype) ?? misfits(node.outputs, form.outputs, 'output', dtype);
  if (unfit) return unfit;
  return Object.keys(late).length === 0 && inputs.length === node.inputs.length ? node : { ...node, attrs, inputs };
}

export const isSame = (a: AttrValue, b: AttrValue | undefined): boolean =>
  a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((x, i) => x === b[i]));

function misfits(
  names: readonly string[],
  slots: readonly Slot[],
  side: 'input' | 'output',
  dtype: (name: string) => DType | undefined,
): string | undefined {
  const last = slots.at(-1);
  if (names.length > slots.length && last?.many !== 'any') return `it had no ${side} ${slots.length + 1}`;
  const missing = slots.findIndex(({ many }, i) => many === 'one' && !names[i]);
  if (missing >= 0 && side === 'input') return `its input ${missing + 1} could not be left out`;
  for (const [i, name] of names.entries()) {
    const type = name === '' ? undefined : dtype(name);
    const { types } = slots[i] ?? last!;
    if (type && types !== '' && !types.includes(ELEMENT[type] ?? type))
      return `its ${side} ${i + 1} could not be ${type}`;
  }
  return undefined;
}
