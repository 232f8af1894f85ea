/**
 * The form in which a model learns: today's ops, numbers for all dimensions, weights as inputs, and what each op does
 * differently while learning (its row's `training` answer).
 */

import { PareError } from '../base/error.ts';
import { withBatchAxes } from '../data/port.ts';
import { isStatic, showDims } from '../graph/dim.ts';
import { freshNames, namesOf, valueInfo } from '../graph/edit.ts';
import { type Dim, feedsOf, type Graph, type Model, type Node, tensorType } from '../graph/model.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { infer, slotAt } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import { madeFor, rebatched } from './rebatch.ts';

export interface LearningForm {
  /** Static dimensions; weights in `weights` are inputs, not initialisers. */
  readonly graph: Graph;
  /** Weights that may move, and statistics that flow, by name. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Weight → value that replaces it after each step (running statistics). */
  readonly state: ReadonlyMap<string, string>;
}

export interface LearningOptions {
  /** Samples per run. */
  readonly batch: number;
  /** Dimensions of one sample by input, where the model leaves them open. */
  readonly samples?: Readonly<Record<string, readonly number[]>>;
  /** The part of a larger batch that this one is: layers with batch statistics then take those of the whole. Default 1. */
  readonly share?: number;
  /** Learning (dropout, batch statistics) or scoring. Default true. */
  readonly learning?: boolean;
}

/**
 * Brings a model into the form in which it learns (or is scored with weights that still move).
 *
 * Throws   train/batch when the model is made for another batch size; train/shape when a dimension stays open.
 */
export function learningForm(
  model: Model,
  { batch, samples = {}, learning = true, share = 1 }: LearningOptions,
): LearningForm {
  const stated = modernize(model).graph;
  const first = tensorType(feedsOf(stated)[0])?.dims?.[0];
  const fixed = typeof first === 'number' && first !== batch ? first : undefined;
  const modern = fixed === undefined ? stated : rebatched(stated, fixed, batch);
  const { graph: formed, state } = learning
    ? whileLearning(modern, share)
    : { graph: modern, state: new Map<string, string>() };
  const weights = new Map([...formed.initializers].filter(([name, tensor]) => isLearnable(name, tensor, formed)));
  const ports = feedsOf(formed).map((info) => ({ info, dims: tensorType(info)?.dims ?? [] }));
  const feeds = withBatchAxes(ports).map(({ info, batchAxis = 0 }) => {
    const type = tensorType(info);
    const dims = type?.dims?.map((dim, axis) => {
      const sample = samples[info.name]?.[axis < batchAxis ? axis : axis - 1];
      return axis === batchAxis
        ? batchOf(dim === fixed ? batch : dim, batch, info.name)
        : typeof dim === 'number'
          ? dim
          : (sample ?? null);
    });
    if (!type || !isStatic(dims)) {
      throw new PareError('train/shape', `The input "${info.name}" has a dimension that the data does not tell.`, {
        where: info.name,
        got: showDims(type?.dims),
      });
    }
    return valueInfo(info.name, type.dtype, dims);
  });
  const weightInputs = [...weights].map(([name, { dtype, dims }]) => valueInfo(name, dtype, dims));
  const initializers = new Map([...formed.initializers].filter(([name]) => !weights.has(name)));
  const outputs = formed.outputs.map((info) => {
    const type = tensorType(info); // dimensions follow from the batch
    return type ? valueInfo(info.name, type.dtype) : { name: info.name };
  });
  const graph = { ...formed, inputs: [...feeds, ...weightInputs], initializers, values: new Map(), outputs };
  if (fixed !== undefined) checkShapes(graph, feeds[0]!.name, fixed, batch);
  return { graph, weights, state };
}

/** Throws train/batch where shapes that the graph states elsewhere do not follow. */
function checkShapes(graph: Graph, name: string, fixed: number, batch: number): void {
  try {
    infer(graph);
  } catch (thrown) {
    throw thrown instanceof PareError ? madeFor(name, fixed, batch, thrown) : thrown;
  }
}

const batchOf = (dim: Dim, batch: number, name: string): number => {
  if (typeof dim === 'number' && dim !== batch) throw madeFor(name, dim, batch);
  return batch;
};

/** Float weights that some node computes with (not shapes, not quantisation scales; single numbers only where layers keep weights). */
function isLearnable(name: string, tensor: Tensor, graph: Graph): boolean {
  if (tensor.dtype !== 'float32' || sizeOf(tensor.dims) === 0) return false;
  const isSingle = sizeOf(tensor.dims) === 1;
  return someNode(
    graph,
    (node) =>
      rowOf(node) !== undefined &&
      (!isSingle || LAYERS.has(node.op)) &&
      node.inputs.some((input, i) => input === name && (i === 0 || !INERT.has(node.op))),
  );
}

/** Is there such a node, in sub-graphs too? Loops and branches read the weights around them. */
const someNode = (graph: Graph, test: (node: Node) => boolean): boolean =>
  graph.nodes.some(
    (node) =>
      test(node) || Object.values(node.attrs).some((attr) => attr.kind === 'graph' && someNode(attr.value, test)),
  );

/** Ops whose constants are weights even where there is one of them: a layer of one output has one bias. */
const LAYERS = new Set([
  'Conv',
  'ConvTranspose',
  'Gemm',
  'MatMul',
  'BatchNormalization',
  'InstanceNormalization',
  'PRelu',
]);

/** Ops whose float constants behind the first input are settings, not weights. */
const INERT = new Set(['Resize', 'Upsample', 'QuantizeLinear', 'DequantizeLinear', 'Pad', 'OneHot', 'Clip']);

/** Every node as its row says it behaves while learning. */
function whileLearning(graph: Graph, share: number): { graph: Graph; state: Map<string, string> } {
  const fresh = freshNames(namesOf(graph));
  const initializers = new Map(graph.initializers);
  const state = new Map<string, string>();
  const nodes = graph.nodes.map((node): Node => {
    const row = rowOf(node);
    if (!row?.training) return node;
    const { attrs = {}, inputs: constants = {}, state: flows = {} } = row.training;
    const inputs = row.inputs.map((slot, i) => {
      const constant = constants[slot.replace('?', '')];
      if (!constant) return node.inputs[i] ?? '';
      const name = fresh(`${node.name}_${slotAt(row.inputs, i)}`);
      initializers.set(name, constant);
      return name;
    });
    const outputs = row.outputs
      .slice(0, Object.keys(flows).length > 0 ? undefined : node.outputs.length)
      .map((slot, i) => {
        const name = node.outputs[i] || fresh(`${node.outputs[0]}_${slotAt(row.outputs, i)}`);
        const weight = Object.entries(flows).find(([, output]) => output === slot.replace('?', ''))?.[0];
        const at = weight === undefined ? -1 : row.inputs.findIndex((input) => input.replace('?', '') === weight);
        if (at >= 0) state.set(node.inputs[at]!, name);
        return name;
      });
    while (inputs[inputs.length - 1] === '') inputs.pop();
    const ints = Object.fromEntries(
      Object.entries(attrs).map(([key, value]) => [key, { kind: 'int' as const, value }]),
    );
    const part = row.training.share !== undefined &&
      share !== 1 && { [row.training.share]: { kind: 'float' as const, value: share } };
    return { ...node, inputs, outputs, attrs: { ...node.attrs, ...ints, ...part } };
  });
  return { graph: { ...graph, nodes, initializers }, state };
}
