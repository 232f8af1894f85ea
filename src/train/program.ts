/**
 * One training step as one graph: forward, loss, slopes. Weights live in an arena that the engine reads and the optimiser
 * updates in place; slopes are written straight into it.
 */

import { PareError } from '../base/error.ts';
import { differentiate } from '../grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../grad/expand.ts';
import { recompute } from '../grad/recompute.ts';
import { isStatic } from '../graph/dim.ts';
import type { DType, TypedArray } from '../graph/dtype.ts';
import { readsOf, removeDead } from '../graph/edit.ts';
import { feedsOf, type Graph, type Model, type Node, tensorType } from '../graph/model.ts';
import { elements, sizeOf, type Tensor, tensor, zeros } from '../graph/tensor.ts';
import { opsetOf } from '../nn/layer.ts';
import { answerOf, logitsOf } from '../nn/logits.ts';
import { writeModel } from '../onnx/index.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import type { Row } from '../ops/op.ts';
import { STEP } from '../ops/random-uniform.ts';
import { isLowered, lower } from '../rewrite/lower/lower.ts';
import type { Binding, Engine, Lab, Session } from '../runtime/index.ts';
import { type LearningForm, type LearningOptions, learningForm } from './learning-form.ts';
import type { Loss } from './loss/loss.ts';
import type { Arena, ParameterSpec } from './optim/arena.ts';
import { poolFirst } from './pool-first.ts';

/** A step, ready to be bound to memory. */
export interface StepGraph {
  readonly graph: Graph;
  readonly form: LearningForm;
  /** Weights that get a slope, in order: the parameters of the arena. */
  readonly parameters: readonly ParameterSpec[];
  /** Weight → graph output that holds its slope. */
  readonly slopes: ReadonlyMap<string, string>;
  /** What a batch fills: input → dtype and dimensions, batch included. */
  readonly columns: ReadonlyMap<string, { readonly dtype: DType; readonly dims: readonly number[] }>;
  readonly lossName: string;
}

export interface StepOptions extends LearningOptions {
  readonly loss: Loss;
  /** Which weights learn. Default: all that the loss depends on. */
  readonly learns?: (name: string) => boolean;
  /** Works parts of the forward pass out a second time for the slopes, to save memory. Default false. */
  readonly recompute?: boolean;
}

/** Forward, loss and slopes of a model as one graph. */
export function stepGraph(
  model: Model,
  { loss, learns = () => true, recompute: repeats = false, ...options }: StepOptions,
  engine: Pick<Engine, 'blockSize'>,
): StepGraph {
  const form = learningForm(model, options);
  const { graph: stated, lossName } = withLoss(form.graph, loss, options.batch);
  const forward = poolFirst(stated); // behind the loss, which may read any value by its name
  const wanted = [...form.weights.keys()].filter((name) => learns(name) && !form.state.has(name));
  const { graph: joint, slopes } = differentiate(forward, lossName, wanted, infer(forward));
  const trained = wanted.filter((name) => slopes.has(name));
  if (trained.length === 0) throw nothingLearns(model, wanted.length > 0);
  const { graph: named, outputs } = withOwnOutputs(joint, [lossName, ...trained.map((name) => slopes.get(name)!)]);
  const states = [...form.state.values()];
  const kept = removeDead({ ...named, outputs: [...outputs, ...states].map((name) => ({ name })) });
  const whole = repeats ? removeDead(recompute(kept, [outputs[0]!, ...states])) : kept;
  const ready = engineForm(whole, engine);
  return {
    graph: withStatedOutputs(leavesLast(ready)),
    form,
    parameters: trained.map((name) => {
      const { dims } = form.weights.get(name)!;
      return { name, length: sizeOf(dims), dims };
    }),
    slopes: new Map(trained.map((name, i) => [name, outputs[i + 1]!])),
    columns: columnsOf(ready, form),
    lossName: outputs[0]!,
  };
}

/** A graph in the forms that the engine runs fastest, without ops of our own where they can be expanded. */
export function engineForm(graph: Graph, { blockSize }: Pick<Engine, 'blockSize'>): Graph {
  const isOwn = ({ domain }: Row): boolean => domain === OWN_DOMAIN;
  const open = removeDead(expand(graph, infer(graph), (row) => isOwn(row) && !isLowered(row)));
  const lowered = lower(open, blockSize);
  return removeDead(expand(lowered, infer(lowered), isOwn));
}

/** Why no weight gets a slope: none is float32, or none that may learn matters to the loss. */
function nothingLearns({ graph }: Model, mayLearn: boolean): PareError {
  const kinds = new Map<string, number>();
  for (const { dtype } of graph.initializers.values()) kinds.set(dtype, (kinds.get(dtype) ?? 0) + 1);
  const isFloat = kinds.has('float32');
  return new PareError('train/nothing', 'The loss depends on no weight that may learn.', {
    expected: 'float32 weights',
    got: [...kinds].map(([dtype, count]) => `${count} ${dtype}`).join(', ') || 'no stored weights',
    ...(mayLearn || isFloat
      ? { hint: 'look at what is frozen, and at what the loss reads' }
      : kinds.size > 0 && { hint: 'train the float32 model, then make it narrow' }),
  });
}

/**
 * The same nodes, those that nobody reads at the end and backwards: the loss last, before it the slopes in the order of their making.
 *
 * The engine orders nodes by walking up from the leaves, the last one first. So it finishes the slopes of one layer before it goes on
 * to the next, and lets go of what only they read; from the first layer's slope it would walk up the whole network.
 */
export function leavesLast(graph: Graph): Graph {
  const read = new Set(graph.nodes.flatMap(readsOf));
  const isLeaf = (node: Node): boolean => node.outputs.every((name) => !read.has(name));
  const leaves = graph.nodes.filter(isLeaf);
  return { ...graph, nodes: [...graph.nodes.filter((node) => !isLeaf(node)), ...leaves.toReversed()] };
}

/** The graph with the loss behind it. */
export function withLoss(graph: Graph, loss: Loss, batch: number): { graph: Graph; lossName: string; logits: string } {
  const building = draft(graph, infer(graph));
  const { g } = building;
  const outputName = answerOf(graph);
  const logits = logitsOf(graph, outputName);
  const made = loss(g, {
    output: g.of(outputName),
    logits: g.of(logits),
    value: g.of,
    column: (name, dtype, dims) => (g.has(name) ? g.of(name) : g.input(name, dtype, [batch, ...dims])),
  });
  return { graph: building.finish(), lossName: made.name, logits };
}

/** Each name as a graph output of its own: inputs and repeated values get an Identity. */
function withOwnOutputs(graph: Graph, names: readonly string[]): { graph: Graph; outputs: string[] } {
  const building = draft(graph, infer(graph));
  const taken = new Set(graph.inputs.map(({ name }) => name));
  for (const name of graph.initializers.keys()) taken.add(name);
  const outputs = names.map((name) => {
    const own = taken.has(name) ? building.g.Identity(building.g.of(name)).name : name;
    taken.add(own);
    return own;
  });
  return { graph: building.finish(), outputs };
}

/** Outputs with their types, as the file format wants them. */
export function withStatedOutputs(graph: Graph): Graph {
  const facts = infer(graph);
  const outputs = graph.outputs.map(({ name }) => {
    const fact = facts.get(name);
    return {
      name,
      type: { kind: 'tensor' as const, dtype: fact?.dtype ?? ('float32' as const), ...(fact && { dims: fact.dims }) },
    };
  });
  return { ...graph, outputs };
}

/** The inputs that a batch fills. */
export function columnsOf(graph: Graph, form: LearningForm): StepGraph['columns'] {
  const columns = new Map<string, { dtype: DType; dims: readonly number[] }>();
  for (const info of feedsOf(graph)) {
    const type = tensorType(info);
    if (form.weights.has(info.name) || info.name === STEP || !type || !isStatic(type.dims)) continue;
    columns.set(info.name, { dtype: type.dtype, dims: type.dims });
  }
  return columns;
}

/** A bound step. Two sets of batch memory take turns: one is filled while the engine reads the other. */
export interface Program extends Disposable {
  /** Memory of set 0 or 1 that a batch is written into, by column. */
  readonly feeds: readonly [Readonly<Record<string, TypedArray>>, Readonly<Record<string, TypedArray>>];
  readonly runs: readonly [Binding, Binding];
  /** The loss of the last run. */
  loss(): number;
  /** The number of the step, which random masks depend on. Set before each run. */
  setStep(step: number): void;
  /** Takes running statistics over into the weights; after each run. */
  flow(): void;
  /** Values of statistics and frozen weights as they are now, by name. */
  readonly held: ReadonlyMap<string, Tensor>;
}

/** Ensembles of trees that version 5 of ai.onnx.ml, which is the default, no longer has. */
const hasTrees = ({ nodes }: Graph): boolean =>
  nodes.some(({ op }) => op.startsWith('TreeEnsemble') && op !== 'TreeEnsemble');

const modelOf = (graph: Graph): Model => ({
  ir: 10,
  opsets: {
    '': opsetOf(graph),
    'com.microsoft': 1,
    'com.microsoft.nchwc': 1,
    ...(hasTrees(graph) && { 'ai.onnx.ml': 3 }),
  },
  graph,
  producer: { name: 'pare', version: '' },
  metadata: {},
});

/** A graph of ours as the bytes that an engine loads. */
export const engineBytes = (graph: Graph): Uint8Array => writeModel(modelOf(graph));

/** A loaded graph, whoever works it out. */
export type Loaded = Pick<Session, 'inputs' | 'bind'> & Disposable;
/** Loads a graph of ours. */
export type Load = (graph: Graph, lab: Lab) => Promise<Loaded>;

/** One graph, one session. */
export const loadGraph: Load = (graph, { engine, threads }) =>
  engine.load(engineBytes(graph), { optimize: 'none', ...(threads && { threads }) });

/** One of several graphs that run in turn. */
export const loadInTurn: Load = (graph, { engine, threads }) =>
  engine.load(engineBytes(graph), { optimize: 'none', sharesMemory: true, ...(threads && { threads }) });

/** Memory of a step's inputs and outputs that is not the arena's. */
export interface StepMemory {
  /** Statistics and frozen weights, by name: copies of the model's. */
  readonly held: ReadonlyMap<string, Tensor>;
  readonly lossTensor: Tensor;
  /** The number of the step, uint32 []. */
  readonly stepTensor: Tensor;
  /** Two sets of batch memory, by column. */
  readonly columns: readonly [Readonly<Record<string, Tensor>>, Readonly<Record<string, Tensor>>];
}

/** Lays out what a step needs besides its weights and slopes. */
export function stepMemory(step: StepGraph): StepMemory {
  const columns = (): Readonly<Record<string, Tensor>> =>
    Object.fromEntries([...step.columns].map(([name, { dtype, dims }]) => [name, zeros(dtype, dims)]));
  const held = [...step.form.weights].filter(([name]) => !step.slopes.has(name));
  return {
    held: new Map(held.map(([name, t]) => [name, { ...t, bytes: t.bytes.slice() }])),
    lossTensor: zeros('float32', []),
    stepTensor: tensor('uint32', [], Uint32Array.of(0)),
    columns: [columns(), columns()],
  };
}

/** A tensor's elements by name, to be filled. */
export const feedsIn = (columns: Readonly<Record<string, Tensor>>): Readonly<Record<string, TypedArray>> =>
  Object.fromEntries(Object.entries(columns).map(([name, t]) => [name, elements(t)]));

/** Binds a step to an arena that holds the weights. */
export async function bindStep(step: StepGraph, arena: Arena, lab: Lab, load: Load = loadGraph): Promise<Program> {
  const session = await load(step.graph, lab);
  const ports = new Set(session.inputs.map(({ name }) => name));
  const { held, lossTensor, stepTensor, columns } = stepMemory(step);
  const flowing = new Map(
    [...step.form.state].map(([weight, output]) => [
      weight,
      { output, next: zeros('float32', held.get(weight)!.dims) },
    ]),
  );

  const weights: Record<string, Tensor> = {};
  const outputs: Record<string, Tensor> = { [step.lossName]: lossTensor };
  for (const { name } of step.parameters) {
    const { dims } = step.form.weights.get(name)!;
    if (ports.has(name)) weights[name] = tensor('float32', dims, arena.view('w', name));
    outputs[step.slopes.get(name)!] = tensor('float32', dims, arena.view('g', name));
  }
  for (const [name, t] of held) if (ports.has(name)) weights[name] = t;
  if (ports.has(STEP)) weights[STEP] = stepTensor;
  for (const { output, next } of flowing.values()) outputs[output] = next;

  const runs = [
    session.bind({ ...weights, ...columns[0] }, outputs),
    session.bind({ ...weights, ...columns[1] }, outputs),
  ] as const;
  return {
    feeds: [feedsIn(columns[0]), feedsIn(columns[1])],
    runs,
    loss: () => (elements(lossTensor) as Float32Array)[0]!,
    setStep: (n) => {
      (elements(stepTensor) as Uint32Array)[0] = n;
    },
    flow: () => {
      for (const [weight, { next }] of flowing) held.get(weight)!.bytes.set(next.bytes);
    },
    held,
    [Symbol.dispose]: () => {
      for (const binding of runs) binding[Symbol.dispose]();
      session[Symbol.dispose]();
    },
  };
}
