/** Forms of older opsets that many rows have in common, each told in both directions. */

import type { Attr } from '../graph/model.ts';
import { numbers, type Tensor, tensor } from '../graph/tensor.ts';
import { fromFront } from './answer.ts';
import type { HistoricNode, History } from './op.ts';

/** An input that was an attribute. */
export interface WasAttribute {
  readonly name: string;
  /** The input's place. */
  readonly at: number;
  readonly kind: 'int' | 'ints' | 'float' | 'floats';
  /** Dimensions of the constant that holds a single number. Default: a scalar. */
  readonly dims?: readonly number[];
  /** The number that an attribute left out stood for. */
  readonly fallback?: number;
}

/** Up to some opset these inputs were attributes; the node goes back if they are constants. */
export const wereAttributes = (until: number, ...slots: readonly WasAttribute[]): History => ({
  until,
  modern: (node, make) => {
    const attrs = { ...node.attrs };
    const inputs = [...node.inputs];
    for (const { name, at, kind, dims = [], fallback } of slots) {
      const attr = attrs[name] ?? (fallback === undefined ? undefined : single(kind, fallback));
      delete attrs[name];
      if (attr?.kind !== kind) continue;
      while (inputs.length < at) inputs.push('');
      const isFloat = kind === 'float' || kind === 'floats';
      // A limit has the type of what it limits; factors are float32 whatever they stretch.
      const dtype = kind === 'float' ? (make.dtype(node.inputs[0]!) ?? 'float32') : isFloat ? 'float32' : 'int64';
      const values = typeof attr.value === 'number' ? [attr.value] : (attr.value as readonly number[]);
      inputs[at] = make.constant(name, tensor(dtype, Array.isArray(attr.value) ? [values.length] : dims, values));
    }
    return { ...node, attrs, inputs };
  },
  old: (node, make) => {
    if (slots.every(({ at }) => !node.inputs[at])) return node;
    const attrs = { ...node.attrs };
    for (const { name, at, kind } of slots) {
      const input = node.inputs[at];
      if (!input) continue;
      const values = kind === 'int' || kind === 'ints' ? make.ints(input) : floatsOf(make.constantOf(input));
      if (!values) return `its ${name} is computed`;
      attrs[name] = (kind === 'int' || kind === 'float' ? single(kind, values[0]!) : { kind, value: values }) as Attr;
    }
    const places = slots.map(({ at }) => at);
    return { ...node, attrs, inputs: trimmed(node.inputs.map((name, i) => (places.includes(i) ? '' : name))) };
  },
});

const single = (kind: WasAttribute['kind'], value: number): Attr =>
  ({ kind: kind === 'int' || kind === 'ints' ? 'int' : 'float', value }) as Attr;

const floatsOf = (constant: Tensor | undefined): readonly number[] | undefined => constant && numbers(constant);

/** Without what was left out at the end. */
export const trimmed = (inputs: readonly string[]): string[] => {
  const last = inputs.findLastIndex((name) => name !== '');
  return inputs.slice(0, last + 1);
};

/** Up to opset 10 axes were counted from the front only. */
export const axesFromFront = (...names: readonly string[]): History => ({
  until: 10,
  old: (node, make) => {
    const counted = names.filter((name) => isNegative(node.attrs[name]));
    if (counted.length === 0) return node;
    const rank = make.rank(node.inputs[0]!);
    if (rank === undefined) return 'the rank is unknown from whose end it counts';
    const attrs = { ...node.attrs };
    for (const name of counted) {
      const attr = attrs[name]!;
      attrs[name] = (
        attr.kind === 'int'
          ? { kind: 'int', value: fromFront(attr.value, rank) }
          : { kind: 'ints', value: (attr.value as readonly number[]).map((axis) => fromFront(axis, rank)) }
      ) as Attr;
    }
    return { ...node, attrs };
  },
});

const isNegative = (attr: Attr | undefined): boolean =>
  (attr?.kind === 'int' && attr.value < 0) || (attr?.kind === 'ints' && attr.value.some((axis) => axis < 0));

/** Up to some opset there was no such attribute, and what a list of ones says now was understood. */
export const onesWereUnderstood = (until: number, name: string): History => ({
  until,
  old: (node) => {
    const attr = node.attrs[name];
    return attr?.kind === 'ints' && attr.value.every((x) => x === 1) ? without(node, name) : node;
  },
});

/** An attribute that could not have this value yet. */
export const cameLater = (until: number, name: string, value: string): History => ({
  until,
  old: (node) => (node.attrs[name]?.value === value ? `there was no ${name} "${value}"` : node),
});

/** Up to opset 7 the operands of these ops had to be of one shape. */
export const ofOneShape: History = {
  until: 7,
  old: (node, make) => {
    const shapes = node.inputs.map((name) => make.dims(name)?.join());
    return shapes.every((shape) => shape !== undefined && shape === shapes[0]) ? node : 'its operands are broadcast';
  },
};

/** The node without an attribute. */
export function without(node: HistoricNode, name: string): HistoricNode {
  const { [name]: _, ...attrs } = node.attrs;
  return { ...node, attrs };
}

/** An int attribute, or what it is when left out. */
export const intOf = (node: HistoricNode, name: string, fallback: number): number => {
  const attr = node.attrs[name];
  return attr?.kind === 'int' ? attr.value : fallback;
};
