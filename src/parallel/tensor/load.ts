/** Loads a graph that stops where ranks add up; to whoever binds it, it is one graph like any other. */

import { elements, type Tensor } from '../../graph/tensor.ts';
import type { Feeds } from '../../runtime/index.ts';
import { type Load, loadInTurn } from '../../train/program.ts';
import type { Collective } from '../collective.ts';
import { memoryBetween } from './between.ts';
import { segmentsOf } from './segments.ts';

/** Each stretch between two sums is a session; what passes between them lies in memory that all bindings share. */
export const loadSegments =
  (collective: Pick<Collective, 'allReduce'>): Load =>
  async (graph, lab) => {
    const segments = segmentsOf(graph);
    const sessions = await Promise.all(segments.map((segment) => loadInTurn(segment.graph, lab)));
    const sums = segments.flatMap((segment) => segment.sums);
    const asked = new Set(graph.inputs.map(({ name }) => name));
    const given = new Set([...asked, ...graph.outputs.map(({ name }) => name)]);
    for (const { from, to } of sums) if (given.has(to)) given.add(from); // a sum lies where its terms lay
    const between = memoryBetween(segments, (name) => given.has(name));

    return {
      inputs: sessions.flatMap(({ inputs }) => inputs).filter(({ name }) => asked.has(name)),
      bind(feeds: Feeds, fetches: Feeds) {
        const own = new Map(Object.entries({ ...feeds, ...fetches }));
        for (const { from, to } of sums) if (own.has(to)) own.set(from, own.get(to)!);
        const place = (name: string): Tensor => own.get(name) ?? between.get(name)!;
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
