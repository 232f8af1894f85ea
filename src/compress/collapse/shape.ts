/** What a single layer in a run's place would look like: kind, sizes, cost. */

import type { Graph, Node } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { rowOf } from '../../ops/index.ts';
import { attrsOf, bySlot, type Facts } from '../../ops/infer.ts';
import type { Named, StaticValue } from '../../ops/op.ts';
import { numberAttr } from '../../rewrite/attribute.ts';
import { type Fit, fitWindow, sightOf } from './geometry.ts';
import type { Ground, Run } from './run.ts';

/** 'mixer': a convolution over the tokens [T, D] of a sequence, which stands for attention without weighing them. */
export type Kind = 'conv' | 'dense' | 'depthwise-separable' | 'mixer';

/** A single layer, and what follows it. */
export interface Single {
  readonly run: Run;
  readonly kind: Kind;
  /** Dimensions of one sample going in and coming out. */
  readonly input: readonly number[];
  readonly output: readonly number[];
  /** Windows of the spatial axes, one for a mixer's tokens; none for a dense layer. */
  readonly windows: readonly Fit[];
  /** Rows of W: inputs of one place of the output. */
  readonly width: number;
  readonly macs: number;
  /** An activation that the run ends in, which stays; the layer is fitted to what comes before it. */
  readonly tail: Tail;
}

export interface Tail {
  /** The activation that stays, or undefined. */
  readonly activation: Node | undefined;
  /** A pool behind that activation: max-pooling what comes before gives the same, so it moves in front and into the layer. */
  readonly pool: Node | undefined;
  /** The value before the activation (and before the pool). */
  readonly target: string;
}

const RISING = new Set(['Relu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Elu', 'HardSigmoid', 'Softplus', 'Clip']);

/** What a run ends in. */
function tailOf({ from, to, nodes }: Run, { made, read }: Ground): Tail {
  const last = made.get(to)!;
  const alone = (name: string): boolean => read.get(name)?.length === 1;
  const rises = (node: Node): boolean =>
    nodes.has(node) && RISING.has(node.op) && numberAttr(node, 'alpha', 0) >= 0 && node.inputs[0] !== from;
  if (rises(last)) return { activation: last, pool: undefined, target: last.inputs[0]! };
  const before = last.op === 'MaxPool' && !last.outputs[1] ? made.get(last.inputs[0]!) : undefined;
  if (before && rises(before) && alone(before.outputs[0]!))
    return { activation: before, pool: last, target: before.inputs[0]! };
  return { activation: undefined, pool: undefined, target: to };
}

/** Multiply-accumulates of one sample in these nodes; `facts` are those of one sample. */
export function macsOfNodes(nodes: Iterable<Node>, facts: Facts): number {
  let macs = 0;
  for (const node of nodes) {
    const row = rowOf(node);
    if (!row || row.cost === 'none') continue;
    const values = (names: readonly string[]) => names.map((name) => (name === '' ? undefined : facts.get(name)));
    const all = { ...bySlot(row.inputs, values(node.inputs)), ...bySlot(row.outputs, values(node.outputs)) };
    if (
      ![...node.inputs, ...node.outputs].every(
        (name) => name === '' || facts.get(name)?.dims.every((d) => typeof d === 'number'),
      )
    )
      continue;
    macs += row.cost(all as Named<StaticValue>, attrsOf(row, node)).macs;
  }
  return macs;
}

/** Does this node hold weights, or multiply at all? */
export const isLayer = (node: Node, graph: Graph): boolean =>
  ['Conv', 'Gemm', 'MatMul', 'ConvTranspose'].includes(node.op) &&
  node.inputs.some((name) => graph.initializers.has(name));

/**
 * The single layer of this kind in a run's place, or the reason why there is none.
 *
 * `facts` are those of one sample. `kernel` is asked of a convolution; it need not fit both axes alike.
 */
export function singleOf(run: Run, kind: Kind, kernel: number, ground: Ground, facts: Facts): Single | string {
  const [x, y] = [facts.get(run.from), facts.get(run.to)];
  const isFixed = (value: typeof x): value is StaticValue =>
    value !== undefined && value.dtype === 'float32' && value.dims.every((dim) => typeof dim === 'number');
  if (!isFixed(x) || !isFixed(y)) return 'the shapes of its ends are not known, or are not float32';
  if (x.dims[0] !== y.dims[0]) return 'it changes the number of samples';
  const [input, output] = [x.dims.slice(1), y.dims.slice(1)];
  const tail = tailOf(run, ground);
  const base = { run, kind, input, output, tail };
  const isTokens = input.length === 2 && output.length === 2 && input[0] === output[0];
  if (kind === 'mixer') {
    if (!isTokens) return 'a mixer takes and gives [tokens, features]';
    if (kernel % 2 === 0 || kernel === 1 || kernel > input[0]!) return 'a mixer looks as far back as ahead';
    const side = (kernel - 1) / 2;
    const width = input[1]! * kernel;
    const windows = [{ kernel, stride: 1, begin: side, end: side }];
    return { ...base, windows, width, macs: output[0]! * width * output[1]! };
  }
  if (kind === 'dense') {
    if (!isTokens && output.length !== 1) return 'a dense layer gives one vector per sample';
    const width = isTokens ? input[1]! : sizeOf(input);
    const macs = width * output[output.length - 1]! * (isTokens ? output[0]! : 1);
    return { ...base, windows: [], width, macs };
  }
  if (input.length !== 3 || output.length !== 3) return 'a convolution takes and gives [channels, height, width]';
  const sight = sightOf(run, facts);
  const windows: Fit[] = [];
  for (const axis of [1, 2]) {
    const fit = fitWindow(input[axis]!, output[axis]!, kernel, sight?.[axis - 1]);
    if (!fit) return `no ${kernel}-wide window gives ${output[axis]} places of ${input[axis]}`;
    windows.push(fit);
  }
  const [I, O] = [input[0]!, output[0]!];
  const places = output[1]! * output[2]!;
  const reach = kernel * kernel;
  const macs = places * (kind === 'conv' ? O * I * reach : I * reach + O * I);
  if (kind === 'depthwise-separable' && reach === 1) return 'a 1×1 window leaves nothing to separate';
  return { ...base, windows, width: I * reach, macs };
}
