/** Runs a frozen teacher over samples, in the form in which it would stand beside a learning student. */

import { batches, bind, type Dataset, portsOf } from '../data/index.ts';
import { isStatic } from '../graph/dim.ts';
import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, type Tensor, zeros } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { lower } from '../rewrite/lower/lower.ts';
import { inOrder, type Lab, lanesOf, stopIfAborted } from '../runtime/index.ts';
import { learningForm } from '../train/learning-form.ts';
import { columnsOf, engineBytes, withStatedOutputs } from '../train/program.ts';

export interface TeacherRun {
  /** Dimensions of one sample of each output. */
  readonly dims: ReadonlyMap<string, readonly number[]>;
  /** Runs samples `from` and on, in order; `count` of each answer's samples are its own. */
  readonly answers: (
    from: number,
    lab: Lab,
  ) => AsyncGenerator<{ readonly count: number; readonly values: Readonly<Record<string, Tensor>> }>;
}

/**
 * The run of a frozen teacher, or undefined where its outputs' shapes or types are not known well enough for it (the
 * engine's own form then serves).
 */
export function teacherRun(teacher: Model, data: Dataset, batch: number, lab: Lab): TeacherRun | undefined {
  const own = bind(data, portsOf(teacher.graph));
  const samples = Object.fromEntries(Object.entries(own.inputs).map(([name, { dims }]) => [name, dims]));
  const names = teacher.graph.outputs.map(({ name }) => name);
  const form = learningForm(teacher, { batch, samples, learning: false });
  const whole = removeDead({ ...form.graph, outputs: names.map((name) => ({ name })) });
  const facts = infer(whole);
  const dims = new Map<string, readonly number[]>();
  for (const name of names) {
    const fact = facts.get(name);
    if (fact?.dtype !== 'float32' || !isStatic(fact.dims) || fact.dims[0] !== batch) return undefined;
    dims.set(name, fact.dims.slice(1));
  }
  const graph = withStatedOutputs(lower(whole, lab.engine.blockSize));
  return {
    dims,
    answers: async function* (from, lab) {
      const { hands, threads } = lanesOf(lab);
      using session = await lab.engine.load(engineBytes(graph), { optimize: 'none', ...(threads && { threads }) });
      const ports = new Set(session.inputs.map(({ name }) => name));
      const columns = [...columnsOf(graph, form)];
      const memories = Array.from({ length: hands.lanes }, () =>
        columns.map(([name, { dtype, dims: size }]): [string, Tensor] => [name, zeros(dtype, size)]),
      );
      const weights = [...form.weights].filter(([name]) => ports.has(name));
      const lists = batches(own.size, { batch, shuffle: false, from: Math.floor(from / batch) });
      const filled = (list: Int32Array): Int32Array =>
        list.length === batch ? list : Int32Array.from({ length: batch }, (_, i) => list[i] ?? i % own.size);
      const answers = inOrder(lists, hands, {
        ahead: (list) => own.prepare?.(filled(list)),
        ready(list, lane) {
          stopIfAborted(lab.signal);
          for (const [name, tensor] of memories[lane]!) own.fill(name, filled(list), elements(tensor));
        },
        work: async (list, lane) => ({
          done: list[list.length - 1]! + 1,
          count: list.length,
          values: await session.run(Object.fromEntries([...weights, ...memories[lane]!]), undefined, lab.signal),
        }),
      });
      for await (const { done, ...answer } of answers) {
        yield answer;
        lab.onProgress?.({ task: 'record teacher', done, total: own.size });
      }
    },
  };
}
