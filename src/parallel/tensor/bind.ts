/** Binds a step that stops where ranks add up; to whoever runs it, it is one step like any other. */

import { elements, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import { STEP } from '../../ops/random-uniform.ts';
import type { Binding, Lab } from '../../runtime/index.ts';
import type { Arena } from '../../train/index.ts';
import { engineBytes, type Program, type StepGraph } from '../../train/program.ts';
import type { Collective } from '../collective.ts';
import { segmentsOf } from './segments.ts';

/** As `bindStep`, with the sums over the ranks of `collective` between its segments. */
export async function bindSegments(step: StepGraph, arena: Arena, collective: Collective, lab: Lab): Promise<Program> {
  const segments = segmentsOf(step.graph);
  const sessions = await Promise.all(
    segments.map(({ graph }) =>
      lab.engine.load(engineBytes(graph), { optimize: 'none', ...(lab.threads && { threads: lab.threads }) }),
    ),
  );
  const facts = new Map(segments.flatMap(({ graph }) => [...infer(graph)]));
  const held = new Map(
    [...step.form.weights]
      .filter(([name]) => !step.slopes.has(name))
      .map(([name, t]) => [name, { ...t, bytes: t.bytes.slice() }]),
  );
  const stepTensor = tensor('uint32', [], Uint32Array.of(0));
  const flowing = new Map(
    [...step.form.state].map(([weight, output]) => [
      weight,
      { output, next: zeros('float32', held.get(weight)!.dims) },
    ]),
  );
  // Where each value lies: a sum lies where its terms lay, summed in place.
  const memory = new Map<string, Tensor>([...held, [STEP, stepTensor]]);
  for (const { name } of step.parameters) {
    const { dims } = step.form.weights.get(name)!;
    memory.set(name, tensor('float32', dims, arena.view('w', name)));
    memory.set(step.slopes.get(name)!, tensor('float32', dims, arena.view('g', name)));
  }
  for (const { output, next } of flowing.values()) memory.set(output, next);
  const sumOf = new Map(segments.flatMap(({ sums }) => sums.map(({ from, to }) => [to, from] as const)));
  const place = (name: string): Tensor => {
    const found = memory.get(name);
    if (found) return found;
    const from = sumOf.get(name);
    const { dtype, dims } = facts.get(name)!;
    const made = from === undefined ? zeros(dtype ?? 'float32', dims as readonly number[]) : place(from);
    memory.set(name, made);
    return made;
  };
  // A slope that is a sum must end where the optimiser reads it.
  for (const [to, from] of sumOf) if (memory.has(to) && !memory.has(from)) memory.set(from, memory.get(to)!);
  const lossTensor = place(step.lossName);

  const sets = [0, 1].map(() => {
    const columns = new Map([...step.columns].map(([name, { dtype, dims }]) => [name, zeros(dtype, dims)]));
    const bindings = sessions.map((session) => {
      const feeds = session.inputs.map(({ name }) => [name, columns.get(name) ?? place(name)] as const);
      const fetches = session.outputs.map(({ name }) => [name, place(name)] as const);
      return session.bind(Object.fromEntries(feeds), Object.fromEntries(fetches));
    });
    const run = async (signal?: AbortSignal): Promise<void> => {
      for (const [s, { sums }] of segments.entries()) {
        await bindings[s]!.run(signal);
        for (const { from } of sums) await collective.allReduce(elements(place(from)) as Float32Array);
      }
    };
    const binding: Binding = {
      run,
      [Symbol.dispose]: () => {
        for (const each of bindings) each[Symbol.dispose]();
      },
    };
    return { feeds: Object.fromEntries([...columns].map(([name, t]) => [name, elements(t)])), binding };
  });
  return {
    feeds: [sets[0]!.feeds, sets[1]!.feeds],
    runs: [sets[0]!.binding, sets[1]!.binding],
    loss: () => (elements(lossTensor) as Float32Array)[0]!,
    setStep: (n) => {
      (elements(stepTensor) as Uint32Array)[0] = n;
    },
    flow: () => {
      for (const [weight, { next }] of flowing) held.get(weight)!.bytes.set(next.bytes);
    },
    held,
    [Symbol.dispose]: () => {
      for (const { binding } of sets) binding[Symbol.dispose]();
      for (const session of sessions) session[Symbol.dispose]();
    },
  };
}
