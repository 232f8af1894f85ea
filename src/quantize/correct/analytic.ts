/**
 * Without samples: what a layer reads is what batch norm and a clamp give, if what batch norm gives is normal.
 *
 *   y ~ N(β, γ²)        E[max(0, y)] = γ φ(β / γ) + β Φ(β / γ)
 *   E[clip(y, 0, c)] = E[max(0, y)] − E[max(0, y − c)]
 *
 * Layers that read anything else keep their biases.
 * Source   Nagel et al. 2019, arXiv:1906.04721, section 4.2 and appendix C.
 */

import { consumers } from '../../graph/edit.ts';
import type { Graph, Node } from '../../graph/model.ts';
import { floats } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import { modernize } from '../../ops/modern.ts';
import type { Range } from '../range.ts';
import { roleOf } from '../role.ts';
import type { Correction } from './correction.ts';

export const analytic: Correction = {
  about: 'from batch norms alone, without samples',
  run: async ({ original }) => ({ inputMeans: meansFromNorms(modernize(original).graph) }),
};

/** The expected mean by channel of every value that stands behind a batch norm and at most one clamp. */
export function meansFromNorms(graph: Graph): Map<string, Float64Array> {
  const facts = infer(graph);
  const readers = consumers(graph);
  const means = new Map<string, Float64Array>();
  for (const node of graph.nodes) {
    const norm = normOf(node, graph);
    if (!norm) continue;
    const expect = ({ lo, hi }: Range): Float64Array =>
      Float64Array.from(norm.beta, (beta, c) => clippedMean(beta, Math.abs(norm.gamma[c]!), lo, hi));
    const output = node.outputs[0]!;
    means.set(output, Float64Array.from(norm.beta));
    for (const reader of readers.get(output) ?? []) {
      const role = roleOf(reader, graph, facts);
      if (role.kind === 'clamps') means.set(reader.outputs[0]!, expect(role.to));
    }
  }
  return means;
}

/** Scale and shift of a batch norm with constant statistics. */
function normOf({ op, domain, inputs }: Node, graph: Graph): { gamma: Float32Array; beta: Float32Array } | undefined {
  if (op !== 'BatchNormalization' || domain !== '') return undefined;
  const [gamma, beta] = [graph.initializers.get(inputs[1]!), graph.initializers.get(inputs[2]!)];
  return gamma?.dtype === 'float32' && beta?.dtype === 'float32'
    ? { gamma: floats(gamma), beta: floats(beta) }
    : undefined;
}

/** E[clip(y, lo, hi)] for y ~ N(mean, deviation²). */
export function clippedMean(mean: number, deviation: number, lo: number, hi: number): number {
  const above = (edge: number): number => {
    if (edge === Number.POSITIVE_INFINITY) return 0;
    if (deviation === 0) return Math.max(0, mean - edge);
    const z = (mean - edge) / deviation;
    return deviation * density(z) + (mean - edge) * cumulative(z);
  };
  return lo === Number.NEGATIVE_INFINITY ? mean - above(hi) : lo + above(lo) - above(hi);
}

const density = (z: number): number => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);

/** Φ(z), to 1e-7 (Abramowitz and Stegun, 26.2.17). */
function cumulative(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    density(z) * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z >= 0 ? 1 - tail : tail;
}
