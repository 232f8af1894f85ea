/** A score of a model whose stages lie in different ranks: answers pass through them, and the last one counts. */

import { type Dataset, LABELS } from '../../data/dataset.ts';
import type { DType } from '../../graph/dtype.ts';
import { readsOf, removeDead, valueInfo } from '../../graph/edit.ts';
import type { Graph, Model } from '../../graph/model.ts';
import { elements, sizeOf, type Tensor, tensorBytes, zeros } from '../../graph/tensor.ts';
import { answerOf } from '../../nn/logits.ts';
import { infer } from '../../ops/infer.ts';
import { type Lab, stopIfAborted } from '../../runtime/index.ts';
import { learningForm } from '../../train/learning-form.ts';
import { poolFirst } from '../../train/pool-first.ts';
import { columnsOf, engineForm, loadInTurn, withStatedOutputs } from '../../train/program.ts';
import { fullBatches, labelMemory, type ScoreOptions, type Scorer, scoringBatch } from '../../train/score.ts';
import type { Collective } from '../collective.ts';
import { broadcastNumbers } from '../tell.ts';

export interface StagedScore extends ScoreOptions {
  /** The stage that holds each weight. */
  readonly stageOf: ReadonlyMap<string, number>;
  /** This rank's weights: memory, not values. */
  readonly weights: ReadonlyMap<string, Tensor>;
  /** One rank for each stage. */
  readonly pipe: Collective;
  /** Makes running statistics the same everywhere, before each run. */
  readonly settle: () => Promise<void>;
}

const TAG = 23;

/** As `scorer`; every rank of `pipe` runs it, and gets the same. */
export async function scoreStages(model: Model, data: Dataset, how: StagedScore, lab: Lab): Promise<Scorer> {
  const { metric, batch = scoringBatch(model, data), stageOf, weights, pipe, settle } = how;
  const samples = Object.fromEntries(Object.entries(data.inputs).map(([name, { dims }]) => [name, dims]));
  const form = learningForm(model, { batch, samples, learning: false });
  const output = answerOf(form.graph);
  const whole = poolFirst(removeDead({ ...form.graph, outputs: [{ name: output }] }));
  const { graph: cut, takes, gives } = stretchOf(whole, stageOf, pipe, output);
  const isLast = pipe.rank === pipe.size - 1;
  const facts = infer(whole);
  const memory = new Map(
    [...new Set([...takes, ...gives, output])].map((name) => {
      const { dtype = 'float32', dims } = facts.get(name)!;
      return [name, room(dtype, dims as readonly number[])] as const;
    }),
  );
  const graph = withStatedOutputs(engineForm(cut, lab.engine));
  const isEmpty = graph.nodes.length === 0; // a stage may have nothing to do but to pass on
  const session = isEmpty ? undefined : await loadInTurn(graph, lab);
  const feeds = new Map([...columnsOf(graph, form)].filter(([name]) => !memory.has(name)));
  const columns = new Map([...feeds].map(([name, { dtype, dims }]) => [name, zeros(dtype, dims)]));
  const place = (name: string): Tensor =>
    memory.get(name)?.tensor ?? columns.get(name) ?? weights.get(name) ?? form.weights.get(name)!;
  const binding = session?.bind(
    Object.fromEntries(session.inputs.map(({ name }) => [name, place(name)])),
    Object.fromEntries(graph.outputs.map(({ name }) => [name, place(name)])),
  );
  const labels = labelMemory(data, batch);

  return {
    async run() {
      await settle();
      const count = metric.start();
      for (const { list, full } of fullBatches(data, batch)) {
        stopIfAborted(lab.signal);
        if (columns.size > 0 || isLast) await data.prepare?.(full);
        for (const [name, t] of columns) data.fill(name, full, elements(t));
        for (const name of takes) await pipe.receive(memory.get(name)!.words, pipe.rank - 1, TAG);
        await binding?.run();
        for (const name of gives) await pipe.send(memory.get(name)!.words, pipe.rank + 1, TAG);
        if (!isLast) continue;
        data.fill(LABELS, full, labels);
        const { tensor } = memory.get(output)!;
        count.see(elements(tensor) as Float32Array, labels, list.length, sizeOf(tensor.dims.slice(1)));
      }
      const value = isLast ? Float64Array.of(count.value()) : undefined;
      return (await broadcastNumbers(pipe, value, pipe.size - 1))[0]!;
    },
    [Symbol.dispose]: () => {
      binding?.[Symbol.dispose]();
      session?.[Symbol.dispose]();
    },
  };
}

/** A value's memory, and the same as whole float32 words, in which messages count. */
function room(dtype: DType, dims: readonly number[]): { tensor: Tensor; words: Float32Array } {
  const size = tensorBytes({ dtype, dims });
  const words = new Float32Array(Math.ceil(size / 4));
  return { tensor: { dtype, dims, bytes: new Uint8Array(words.buffer, 0, size) }, words };
}

/** The nodes of one stage: those that need its weights, or values from such, and none of a later one. */
function stretchOf(
  graph: Graph,
  stageOf: ReadonlyMap<string, number>,
  { rank, size }: Collective,
  output: string,
): { graph: Graph; takes: string[]; gives: string[] } {
  const at = new Map<string, number>();
  const stages = graph.nodes.map((node) => {
    const stage = Math.max(0, ...readsOf(node).map((name) => stageOf.get(name) ?? at.get(name) ?? 0));
    for (const name of node.outputs) at.set(name, stage);
    return stage;
  });
  /** Made up to stage `s`, and read behind it. */
  const crossing = (s: number): string[] => {
    if (s < 0 || s >= size - 1) return [];
    const later = new Set(graph.nodes.flatMap((node, i) => (stages[i]! > s ? readsOf(node) : [])));
    return [...at].flatMap(([name, stage]) => (stage <= s && (later.has(name) || name === output) ? [name] : []));
  };
  const [takes, gives] = [crossing(rank - 1), crossing(rank)];
  const nodes = graph.nodes.filter((_, i) => stages[i] === rank);
  const read = new Set(nodes.flatMap(readsOf));
  const facts = infer(graph);
  const info = (name: string) => {
    const { dtype = 'float32' as const, dims } = facts.get(name)!;
    return valueInfo(name, dtype, dims);
  };
  const made = new Set(nodes.flatMap(({ outputs }) => outputs));
  const wanted = rank === size - 1 ? [output] : gives;
  return {
    graph: {
      ...graph,
      nodes,
      inputs: [...graph.inputs, ...takes.map(info)].filter(({ name }) => read.has(name)),
      initializers: new Map([...graph.initializers].filter(([name]) => read.has(name))),
      values: new Map(),
      outputs: wanted.filter((name) => made.has(name)).map(info),
    },
    takes,
    gives,
  };
}
