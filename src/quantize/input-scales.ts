/**
 * Scales between what dense layers read and their weights: the same function, with grids that suit it better.
 *
 *   x · W = (x ⊘ s) · (s ⊙ W)        s > 0, one for each input channel
 *
 * 1 / s goes into what makes x (a normalisation's scale, a layer's weights, behind a gate or a ReLU too); where it cannot, x stays as it is.
 */

import type { Model } from '../graph/model.ts';
import { float32 } from '../graph/tensor.ts';
import { applyRules, rules } from '../rewrite/index.ts';
import { type MatrixLayer, type MatrixOptions, matrixLayersOf, replaceMatrixLayers } from './matrix-layers.ts';

/** Dense layers that read the same value: their inputs are scaled together. */
export interface Siblings {
  readonly input: string;
  readonly K: number;
  readonly layers: readonly MatrixLayer[];
}

const ABSORBING = [
  rules['fold-scale'],
  rules['merge-scales'],
  rules['scale-into-layer-normalization'],
  rules['scale-ahead'],
  rules['scale-through-attention'],
];

/** The model with the factors [K] that `factorsOf` gives for each input, as far as they can be absorbed. */
export function scaleInputs(
  model: Model,
  factorsOf: (siblings: Siblings) => Float32Array | undefined,
  options: MatrixOptions = {},
): { model: Model; scaled: string[] } {
  const byInput = new Map<string, MatrixLayer[]>();
  const readers = new Map<string, Set<string>>();
  for (const layer of matrixLayersOf(model, options)) {
    if (!layer.isInside) byInput.set(layer.input, [...(byInput.get(layer.input) ?? []), layer]);
    const from = layer.isInside ? `inside ${layer.output}` : layer.input;
    readers.set(layer.weight, (readers.get(layer.weight) ?? new Set()).add(from));
  }
  const factors = new Map<string, Float32Array>();
  for (const [input, layers] of byInput) {
    // A matrix behind several inputs would have to be kept once for each.
    if (layers.some(({ weight }) => readers.get(weight)!.size > 1)) continue;
    const s = factorsOf({ input, K: layers[0]!.K, layers });
    if (s) factors.set(input, s);
  }
  // Who cannot absorb shows only when it is tried; the matrices themselves have no part in that.
  const tried = written(model, factors, { ...options, keepsWeights: true });
  const left = new Set(tried.model.graph.nodes.flatMap(({ op, inputs }) => (op === 'Mul' ? inputs : [])));
  for (const [input, { inverse }] of tried.scaledNames) if (left.has(inverse)) factors.delete(input);
  if (factors.size === 0) return { model, scaled: [] };
  return { model: written(model, factors, options).model, scaled: [...factors.keys()] };
}

function written(
  model: Model,
  factors: ReadonlyMap<string, Float32Array>,
  { keepsWeights = false, ...options }: MatrixOptions & { keepsWeights?: boolean },
) {
  const scaledNames = new Map<string, { readonly scaled: string; readonly inverse: string }>();
  const done = replaceMatrixLayers(
    model,
    (layer, pen) => {
      const { node, input, weight, K, N } = layer;
      const s = factors.get(input);
      if (!s || layer.isInside) return false;
      let names = scaledNames.get(input);
      if (names === undefined) {
        const scaled = pen.fresh(`${input}_scaled`);
        const inverse = pen.constant(
          `${input}_inverse`,
          float32(
            [K],
            s.map((value) => 1 / value),
          ),
        );
        pen.add({ op: 'Mul', inputs: [input, inverse], outputs: [scaled] });
        names = { scaled, inverse };
        scaledNames.set(input, names);
      }
      const { scaled } = names;
      const name = keepsWeights ? weight : pen.shared(weight, () => float32([K, N], scaledRows(layer.w, s, N)));
      pen.add({ ...node, inputs: node.inputs.map((own) => (own === input ? scaled : own === weight ? name : own)) });
      return true;
    },
    options,
  );
  return { model: applyRules(done.model, ABSORBING).model, scaledNames };
}

/** Row k of w [K, N] times s_k. */
function scaledRows(w: Float32Array, s: Float32Array, N: number): Float32Array {
  const y = new Float32Array(w.length);
  for (let k = 0, i = 0; k < s.length; k++) for (const end = i + N; i < end; i++) y[i] = w[i]! * s[k]!;
  return y;
}
