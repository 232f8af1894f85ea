/** Is a cut network the masked network? Asked of the engine, on the same feeds. */

import { internal } from '../base/error.ts';
import { type Random, random } from '../base/random.ts';
import { isFloat } from '../graph/dtype.ts';
import { feedsOf, type Graph, type Model, tensorType } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor, tensor, toHalf } from '../graph/tensor.ts';
import { rowOf } from '../ops/index.ts';
import { widen, widenGraph } from '../rewrite/widen.ts';
import type { Lab } from '../runtime/index.ts';
import { loadModel } from '../runtime/load-model.ts';
import { cut } from './cut.ts';
import type { Solved, Units } from './group.ts';
import { mask } from './mask.ts';
import { withoutRounding } from './smooth.ts';

export interface Agreement {
  /** The largest difference of any output element, relative to the largest element of that output. */
  readonly error: number;
  /** The output with that difference. */
  readonly output: string;
}

/** The most that a cut network may differ from the masked one. */
export const TOLERANCE = 1e-4;

/** Random feeds of the sizes that the links were solved with: standard normal floats, integers 0 or 1. */
export function randomFeeds(graph: Graph, { bound }: Solved, seed: number): Record<string, Tensor> {
  const source = random(seed, 'prune/verify');
  return Object.fromEntries(
    feedsOf(graph).map((info) => {
      const dtype = tensorType(info)?.dtype ?? 'float32';
      const dims = bound.inputs[info.name] ?? [];
      return [info.name, fill(dtype, dims, source)];
    }),
  );
}

const fill = (dtype: Tensor['dtype'], dims: readonly number[], source: Random): Tensor => {
  const draw = isFloat(dtype) ? source.normal : () => source.integer(2);
  const values = Array.from({ length: sizeOf(dims) }, draw);
  return tensor(dtype, dims, dtype === 'float16' ? Uint16Array.from(values, toHalf) : values);
};

/** How far the cut network is from the masked one, both in float32. `feeds` are float32 too. */
export async function agreement(
  model: Model,
  solved: Solved,
  cuts: readonly Units[],
  lab: Lab,
  feeds: Readonly<Record<string, Tensor>> = randomFeeds(widenGraph(model.graph), solved, lab.seed ?? 0),
): Promise<Agreement> {
  const smooth = ({ graph, ...rest }: Model): Model => widen({ ...rest, graph: seeded(withoutRounding(graph)) });
  const small = await outputsOf(smooth(cut(model, solved, cuts)), feeds, lab);
  const masked = await outputsOf(smooth(mask(model, solved, cuts)), feeds, lab);
  let worst: Agreement = { error: 0, output: '' };
  for (const [output, expected] of Object.entries(masked)) {
    const error = difference(small[output]!, expected);
    if (!(error <= worst.error)) worst = { error, output };
  }
  return worst;
}

/** Every op that draws begins at the same seed: both networks then draw the same. */
const seeded = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) =>
    rowOf(node)?.attrs['seed'] ? { ...node, attrs: { ...node.attrs, seed: { kind: 'float', value: 1 } } } : node,
  ),
});

async function outputsOf(
  model: Model,
  feeds: Readonly<Record<string, Tensor>>,
  lab: Lab,
): Promise<Record<string, Tensor>> {
  // Fused integer kernels round elsewhere than the nodes they stand for: both sides run as written.
  using session = await loadModel(lab.engine, model, {
    optimize: 'basic',
    config: { 'session.disable_quant_qdq': '1' },
    ...(lab.threads && { threads: lab.threads }),
  });
  return await session.run(feeds, undefined, lab.signal);
}

/** Largest difference relative to the largest finite element (at least 1e-3, below which rounding rules); infinite when shapes differ or one is NaN alone. */
export function difference(a: Tensor, b: Tensor): number {
  if (a.dims.join() !== b.dims.join()) return Number.POSITIVE_INFINITY;
  if (a.dtype === 'string' || b.dtype === 'string') return a.strings?.join('\n') === b.strings?.join('\n') ? 0 : 1;
  const [x, y] = [numbers(a), numbers(b)];
  let scale = 1e-3;
  for (const value of y) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    if (Object.is(x[i], y[i])) continue;
    const error = Math.abs(x[i]! - y[i]!) / scale;
    if (!(error <= worst)) worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  }
  return worst;
}

/** Throws internal/bug when the cut network is not the masked one. */
export function insist({ error, output }: Agreement): void {
  if (error <= TOLERANCE) return;
  throw internal(`the cut network differs from the masked one by ${error.toExponential(2)} in output "${output}"`);
}
