/** Loads a graph that stops where ranks add up; to whoever binds it, it is one graph like any other. */

import { elements, type Tensor, zeros } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import type { Feeds } from '../../runtime/index.ts';
import { type Load, loadGraph } from '../../train/program.ts';
import type { Collective } from '../collective.ts';
import { segmentsOf } from './segments.ts';

/** Each stretch between two sums is a session; what passes between them lies in memory that all bindings share. */
export const loadSegments =
  (collective: Pick<Collective, 'allReduce'>): Load =>
  async (graph, lab) => {
    const segments = segmentsOf(graph);
    const sessions = await Promise.all(segments.map((segment) => loadGraph(segment.graph, lab)));
    const facts = new Map(segments.flatMap((segment) => [...infer(segment.graph)]));
    const sums = segments.flatMap((segment) => segment.sums);
    const asked = new Set(graph.inputs.map(({ name }) => name));
    const inner = new Map<string, Tensor>();

    /** Where each value lies: a sum lies where its terms lay, added in place. */
    const placing = (given: Map<string, Tensor>) => {
      for (const { from, to } of sums) if (given.has(to) && !given.has(from)) given.set(from, given.get(to)!);
      const origin = new Map(sums.map(({ from, to }) => [to, from]));
      const place = (name: string): Tensor => {
        const found = given.get(name) ?? inner.get(name);
        if (found) return found;
        const from = origin.get(name);
        const { dtype, dims } = facts.get(name)!;
        const made = from === undefined ? zeros(dtype ?? 'float32', dims as readonly number[]) : place(from);
        inner.set(name, made);
        return made;
      };
      return place;
    };

    return {
      inputs: sessions.flatMap(({ inputs }) => inputs).filter(({ name }) => asked.has(name)),
      bind(feeds: Feeds, fetches: Feeds) {
        const place = placing(new Map([...Object.entries(feeds), ...Object.entries(fetches)]));
        const bindings = sessions.map((session, s) =>
          session.bind(
            Object.fromEntries(session.inputs.map(({ name }) => [name, place(name)])),
            Object.fromEntries(segments[s]!.graph.outputs.map(({ name }) => [name, place(name)])),
          ),
        );
        return {
          async run(signal) {
            for (const [s, { sums: due }] of segments.entries()) {
              await bindings[s]!.run(signal);
              for (const { from } of due) await collective.allReduce(elements(place(from)) as Float32Array);
            }
          },
          [Symbol.dispose]() {
            for (const binding of bindings) binding[Symbol.dispose]();
          },
        };
      },
      [Symbol.dispose]() {
        for (const session of sessions) session[Symbol.dispose]();
      },
    };
  };
