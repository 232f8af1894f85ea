/**
 * Two convolutions in a row of which one is 1×1 are one, where that multiplies less.
 *
 *   1×1 then k×k     W'[o, i, k] = Σ_m W₂[o, m, k] · W₁[m, i]       b' = b₂ + Σ_{m, k} W₂[o, m, k] · b₁[m]
 *   k×k then 1×1     W'[o, i, k] = Σ_m W₂[o, m] · W₁[m, i, k]       b' = b₂ + Σ_m W₂[o, m] · b₁[m]
 */

import type { Node } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { type Affine, affine, affineOf, isPadded } from '../affine.ts';
import { doubles, rounded } from '../arithmetic.ts';
import { intsAttr, isQuantized, numberAttr, textAttr } from '../attribute.ts';
import { product, turned } from '../matrix.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

const reachOf = ({ W }: Affine): number => sizeOf(W.dims.slice(2));
const stridesOf = (node: Node, rank: number): readonly number[] =>
  intsAttr(node, 'strides') ?? new Array<number>(rank).fill(1);
const isPoint = (layer: Affine): boolean => reachOf(layer) === 1 && !isPadded(layer.node);

export const mergeConvs = rule({
  name: 'merge-convs',
  about: 'A 1×1 convolution and its neighbour become one convolution where that takes fewer multiplications.',
  pattern: node('Conv', [node('Conv', [any('x')], { as: 'first', once: true })], { as: 'second' }),

  check: ({ nodes: { first, second } }, net) => {
    for (const layer of [first!, second!]) {
      const read = affineOf(layer, net);
      if (typeof read === 'string') return read;
      if (numberAttr(layer, 'group', 1) !== 1) return `"${layer.name}" works in groups`;
      if (textAttr(layer, 'auto_pad').startsWith('SAME')) return `"${layer.name}" chooses its padding itself`;
      if (isQuantized(layer, net)) return `"${layer.name}" is quantised`;
    }
    const [a, b] = [affine(first!, net), affine(second!, net)];
    const rank = a.W.dims.length - 2;
    if (a.W.dtype !== b.W.dtype) return 'the weights differ in type';
    const step = stridesOf(first!, rank).reduce((n, stride) => n * stride, 1);
    const next = stridesOf(second!, rank).reduce((n, stride) => n * stride, 1);
    if (isPoint(b)) {
      // Per place of the result: the first layer runs at `next` times as many places.
      const before = next * a.channels * a.inputs * reachOf(a) + b.channels * a.channels;
      const after = b.channels * a.inputs * reachOf(a);
      return after <= before ? undefined : `as one it takes ${after} multiplications a place, as two ${before}`;
    }
    if (!isPoint(a)) return 'neither is a plain 1×1 convolution';
    if (step !== 1) return `"${first!.name}" skips places`;
    if (isPadded(second!) && a.b?.some((value) => value !== 0))
      return `"${second!.name}" pads what the bias of "${first!.name}" shifted`;
    const before = next * a.channels * a.inputs + b.channels * a.channels * reachOf(b);
    const after = b.channels * a.inputs * reachOf(b);
    return after <= before ? undefined : `as one it takes ${after} multiplications a place, as two ${before}`;
  },

  rewrite: ({ nodes: { first, second }, values: { x } }, edit) => {
    const [a, b] = [affine(first!, edit), affine(second!, edit)];
    const rank = a.W.dims.length - 2;
    const pointLast = isPoint(b);
    const wide = pointLast ? a : b;
    const [M, I, O] = [a.channels, a.inputs, b.channels];
    const k = reachOf(wide);
    // k×k then 1×1: [O, M] · [M, I·k]. 1×1 then k×k: for each o, [I, M] · [M, k].
    const W = new Float64Array(O * I * k);
    const [wa, wb] = [doubles(a.W), doubles(b.W)];
    if (pointLast) W.set(product(wb, wa, O, M, I * k));
    else {
      const back = turned(wa, M, I);
      for (let o = 0; o < O; o++) W.set(product(back, wb.subarray(o * M * k, (o + 1) * M * k), I, M, k), o * I * k);
    }
    const bias = a.b || b.b ? Float64Array.from({ length: O }, (_, o) => b.b?.[o] ?? 0) : undefined;
    if (bias && a.b) {
      const reach = reachOf(b);
      for (let i = 0; i < wb.length; i++)
        bias[Math.floor(i / (M * reach))]! += wb[i]! * a.b[Math.floor(i / reach) % M]!;
    }
    const gone = [first!, second!];
    const w = edit.reweigh(second!.inputs[1]!, rounded(b.W.dtype, [O, I, ...wide.W.dims.slice(2)], W), ...gone);
    const c = bias && edit.reweigh(second!.inputs[2] || first!.inputs[2]!, rounded(b.W.dtype, [O], bias), ...gone);
    const [before, after] = [stridesOf(first!, rank), stridesOf(second!, rank)];
    const merged = { ...wide.node.attrs, strides: before.map((stride, i) => stride * after[i]!) };
    const output = edit.emit('Conv', c ? [x!, w, c] : [x!, w], merged, { like: second! });
    return { outputs: [output], why: `with Conv "${first!.name}"` };
  },

  samples: [
    {
      about: '1×1 then padded 3×3, no bias in the first',
      leaves: 'Conv',
      build: (g) => {
        const first = g.Conv(g.input('x', 'float32', [1, 2, 5, 5]), values(g, [4, 2, 1, 1]));
        return g.Conv(first, values(g, [3, 4, 3, 3]), values(g, [3]), { pads: [1, 1, 1, 1], strides: [2, 2] });
      },
    },
    {
      about: '1×1 with bias then unpadded 3×3',
      leaves: 'Conv',
      build: (g) => {
        const first = g.Conv(g.input('x', 'float32', [1, 2, 5, 5]), values(g, [4, 2, 1, 1]), values(g, [4]));
        return g.Conv(first, values(g, [3, 4, 3, 3]));
      },
    },
    {
      about: 'padded 3×3 with bias and stride then 1×1 with stride',
      leaves: 'Conv',
      build: (g) => {
        const first = g.Conv(g.input('x', 'float32', [1, 2, 9, 9]), values(g, [4, 2, 3, 3]), values(g, [4]), {
          pads: [1, 1, 1, 1],
          strides: [2, 2],
        });
        return g.Conv(first, values(g, [3, 4, 1, 1]), values(g, [3]), { strides: [2, 2] });
      },
    },
    {
      about: '1×1 with bias then padded 3×3',
      build: (g) => {
        const first = g.Conv(g.input('x', 'float32', [1, 2, 5, 5]), values(g, [4, 2, 1, 1]), values(g, [4]));
        return g.Conv(first, values(g, [3, 4, 3, 3]), { pads: [1, 1, 1, 1] });
      },
      fires: false,
    },
    {
      about: '1×1 that narrows before 3×3',
      build: (g) =>
        g.Conv(g.Conv(g.input('x', 'float32', [1, 8, 5, 5]), values(g, [2, 8, 1, 1])), values(g, [8, 2, 3, 3])),
      fires: false,
    },
  ],
});
