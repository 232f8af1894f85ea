/** Constants, nodes and pairs as they are written into a graph: what is the same is written once. */

import { freshNames, namesOf } from '../graph/edit.ts';
import type { Attr, Graph, Node } from '../graph/model.ts';
import { float32, type Tensor, tensor } from '../graph/tensor.ts';
import type { Grid } from './grid.ts';

export interface Scribe {
  /** What was written so far. */
  readonly nodes: Node[];
  readonly initializers: Map<string, Tensor>;
  readonly fresh: () => string;
  /** The name of what was written under a key: now, or before. */
  readonly once: (key: string, write: () => string) => string;
  readonly constant: (key: string, make: () => Tensor) => string;
  readonly scalar: (value: number) => string;
  readonly zeroOf: (grid: Grid) => string;
  /** Scale and zero point. */
  readonly pair: (grid: Grid) => string[];
  readonly put: (op: string, inputs: readonly string[], output: string, attrs?: Record<string, Attr>) => void;
}

/** Writes beside a graph's own constants. */
export function scribeFor(graph: Graph): Scribe {
  const nodes: Node[] = [];
  const initializers = new Map(graph.initializers);
  const fresh = shortNames(graph);
  const written = new Map<string, string>();
  const once: Scribe['once'] = (key, write) => {
    const name = written.get(key) ?? write();
    written.set(key, name);
    return name;
  };
  const constant: Scribe['constant'] = (key, make) =>
    once(key, () => {
      const name = fresh();
      initializers.set(name, make());
      return name;
    });
  const scalar = (value: number): string => constant(`s${value}`, () => float32([], [value]));
  const zeroOf = ({ dtype, zeroPoint }: Grid): string =>
    constant(`${dtype}${zeroPoint}`, () => tensor(dtype, [], [zeroPoint]));
  return {
    nodes,
    initializers,
    fresh,
    once,
    constant,
    scalar,
    zeroOf,
    pair: (grid) => [scalar(grid.scale), zeroOf(grid)],
    put: (op, inputs, output, attrs = {}) =>
      void nodes.push({ domain: '', name: '', op, inputs, outputs: [output], attrs }),
  };
}

/** Names of one to three letters: in a small model, names are a good part of the file. */
export function shortNames(graph: Graph): () => string {
  const fresh = freshNames(namesOf(graph));
  let count = 0;
  return () => fresh((count++).toString(36));
}
