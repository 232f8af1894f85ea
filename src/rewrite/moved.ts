/**
 * Where the elements of a value come from, through nodes that only move them, or multiply all of them by one number.
 *
 * Exporters lay heads out in many ways (places before the batch, heads beside the batch, queries stacked on keys). Instead of knowing each, a rule
 * follows the nodes back to their source and then moves numbers through them: sizes that are not known are taken as small primes.
 */

import { numberOf } from '../graph/dim.ts';
import type { Dim, Node } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { axesInput, intsAttr, knownInts, numberAttr, positiveAxes, uniform } from './attribute.ts';
import type { Net } from './net.ts';

export interface Moved {
  /** What the elements belong to. */
  readonly source: string;
  /** From the source on; each with the output that is followed. */
  readonly steps: readonly { readonly node: Node; readonly output: string }[];
  /** What they were multiplied by on the way. */
  readonly factor: number;
}

/** A value followed back as far as it is only moved. */
export function followBack(name: string, net: Net): Moved {
  const steps: { node: Node; output: string }[] = [];
  let [source, factor] = [name, 1];
  for (let node = net.maker(source); node && node.domain === ''; node = net.maker(source)) {
    const scaled = scaling(node, net);
    if (scaled) {
      factor *= scaled.by;
      source = scaled.input;
    } else if (Object.hasOwn(MOVES, node.op)) {
      steps.unshift({ node, output: source });
      source = node.inputs[0]!;
    } else break;
  }
  return { source, steps, factor };
}

/** The value's elements as places in its source, and its dimensions; undefined where a step cannot be told. */
export function sourcePlaces(
  { source, steps }: Pick<Moved, 'source' | 'steps'>,
  size: Size,
  net: Net,
): Laid | undefined {
  const dims = net.dims(source)?.map((dim, axis) => size(dim, axis));
  if (!dims || sizeOf(dims) > MOST) return undefined;
  let laid: Laid | undefined = { dims, places: Int32Array.from({ length: sizeOf(dims) }, (_, i) => i) };
  for (const { node, output } of steps) {
    laid = laid && MOVES[node.op]!(laid, node, { output, net, size });
    if (laid && laid.places.length !== sizeOf(laid.dims)) return undefined;
  }
  return laid;
}

export interface Laid {
  readonly dims: readonly number[];
  /** For each element, its place in the source. */
  readonly places: Int32Array;
}

/** Larger values are not followed. */
const MOST = 2 ** 22;

/** Sizes by which axes can be told apart. */
const PRIMES = [2, 3, 5, 7];

/** A size for each dimension. */
export type Size = (dim: Dim, axis?: number) => number;

/** What is known, and a prime for what is not: one for each name, in the order in which they are met. */
export function sizes(): Size {
  const named = new Map<string, number>();
  const symbol = (name: string): number => {
    const known = named.get(name) ?? PRIMES[named.size % PRIMES.length]!;
    named.set(name, known);
    return known;
  };
  return (dim, axis = 0) => (dim === null ? PRIMES[axis % PRIMES.length]! : numberOf(dim, symbol));
}

interface Around {
  readonly output: string;
  readonly net: Net;
  readonly size: Size;
}

const MOVES: Readonly<Record<string, (x: Laid, node: Node, around: Around) => Laid | undefined>> = {
  Identity: (x) => x,
  Reshape({ dims, places }, node, { net, size }) {
    const target = knownInts(node.inputs[1], net) ?? net.fact(node.inputs[1]!)?.ints;
    if (!target) return undefined;
    const copies = numberAttr(node, 'allowzero', 0) === 0;
    const asked = target.map((dim, i) => (dim === 0 && copies ? dims[i]! : size(dim)));
    const known = asked.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
    return { dims: asked.map((dim) => (dim === -1 ? places.length / known : dim)), places };
  },
  Flatten({ dims, places }, node) {
    const [axis] = positiveAxes([numberAttr(node, 'axis', 1)], dims.length);
    return { dims: [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis))], places };
  },
  Squeeze({ dims, places }, node, { net }) {
    const axes = axesInput(node, net);
    if (node.inputs[1] && !axes) return undefined;
    const gone = axes ? positiveAxes(axes, dims.length) : dims.flatMap((dim, i) => (dim === 1 ? [i] : []));
    return { dims: dims.filter((_, i) => !gone.includes(i)), places };
  },
  Unsqueeze({ dims, places }, node, { net }) {
    const axes = axesInput(node, net);
    if (!axes) return undefined;
    const added = positiveAxes(axes, dims.length + axes.length);
    const rest = [...dims];
    return {
      dims: Array.from({ length: dims.length + axes.length }, (_, i) => (added.includes(i) ? 1 : rest.shift()!)),
      places,
    };
  },
  Transpose(x, node) {
    const perm = intsAttr(node, 'perm') ?? x.dims.map((_, i) => x.dims.length - 1 - i);
    const steps = stepsOf(x.dims);
    return gathered(
      x,
      perm.map((axis) => x.dims[axis]!),
      perm.map((axis) => steps[axis]!),
      0,
    );
  },
  Gather(x, node, { net }) {
    const [axis] = positiveAxes([numberAttr(node, 'axis', 0)], x.dims.length) as [number];
    const [index, ...more] = knownInts(node.inputs[1], net) ?? [];
    if (index === undefined || more.length > 0 || net.dims(node.inputs[1]!)?.length !== 0) return undefined;
    return sliced(x, axis, index < 0 ? index + x.dims[axis]! : index, 1, false);
  },
  Split(x, node, { output, net }) {
    const [axis] = positiveAxes([numberAttr(node, 'axis', 0)], x.dims.length) as [number];
    const at = node.outputs.indexOf(output);
    const even = Math.ceil(x.dims[axis]! / node.outputs.length);
    const sizes = node.inputs[1] ? knownInts(node.inputs[1], net) : node.outputs.map(() => even);
    if (!sizes) return undefined;
    const begin = sizes.slice(0, at).reduce((sum, width) => sum + width, 0);
    return sliced(x, axis, begin, Math.min(sizes[at]!, x.dims[axis]! - begin), true);
  },
  Slice(x, node, { net }) {
    const [starts, ends, axes, steps] = [1, 2, 3, 4].map((i) => knownInts(node.inputs[i], net));
    if (!starts || !ends || (node.inputs[4] && !steps) || steps?.some((step) => step !== 1)) return undefined;
    if (starts.length !== 1 || (node.inputs[3] && !axes)) return undefined;
    const [axis] = positiveAxes(axes ?? [0], x.dims.length) as [number];
    const size = x.dims[axis]!;
    const [begin, end] = [starts[0]!, ends[0]!].map((at) => Math.min(size, Math.max(0, at < 0 ? at + size : at)));
    return sliced(x, axis, begin!, Math.max(0, end! - begin!), true);
  },
};

/** x · number or x / number. */
function scaling(node: Node, net: Net): { readonly input: string; readonly by: number } | undefined {
  if (node.op !== 'Mul' && node.op !== 'Div') return undefined;
  const [a, b] = node.inputs as [string, string];
  const right = uniform(b, net);
  if (right !== undefined && isNarrow(b, a, net)) return { input: a, by: node.op === 'Mul' ? right : 1 / right };
  const left = node.op === 'Mul' ? uniform(a, net) : undefined;
  return left !== undefined && isNarrow(a, b, net) ? { input: b, by: left } : undefined;
}

/** Does a factor add no axes? */
const isNarrow = (factor: string, x: string, net: Net): boolean =>
  (net.dims(factor)?.length ?? 0) <= (net.dims(x)?.length ?? 0) && net.dims(factor)!.every((dim) => dim === 1);

function stepsOf(dims: readonly number[]): number[] {
  const steps = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) steps[i] = steps[i + 1]! * dims[i + 1]!;
  return steps;
}

/** Elements in the order of these dimensions, so many elements of x apart along each. */
function gathered({ places }: Laid, dims: readonly number[], steps: readonly number[], begin: number): Laid {
  let at = Int32Array.of(begin);
  for (const [axis, dim] of dims.entries()) {
    const next = new Int32Array(at.length * dim);
    for (let i = 0, k = 0; i < at.length; i++) for (let j = 0; j < dim; j++) next[k++] = at[i]! + j * steps[axis]!;
    at = next;
  }
  return { dims, places: at.map((i) => places[i]!) };
}

function sliced(x: Laid, axis: number, begin: number, length: number, keeps: boolean): Laid {
  const steps = stepsOf(x.dims);
  const dims = x.dims.map((dim, i) => (i === axis ? length : dim));
  const laid = gathered(x, dims, steps, begin * steps[axis]!);
  return keeps ? laid : { ...laid, dims: dims.filter((_, i) => i !== axis) };
}
