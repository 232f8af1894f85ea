/** Matrix products: the dense layers, and attention's. */

import { broadcast } from '../graph/dim.ts';
import type { Dim } from '../graph/model.ts';
import { zeros } from '../graph/tensor.ts';
import type { Builder } from './builder.ts';
import { type Axis, type Link, tie, tieBroadcast } from './link.ts';
import { misfit } from './misfit.ts';
import { float, int, op, type StaticValue, type Value } from './op.ts';

export const Gemm = op({
  type: 'Gemm',
  inputs: ['A', 'B', 'C?'],
  attrs: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) },

  // A [M, K] · B [K, N] + C [N] -> Y [M, N]; a trans flag swaps that operand's axes.
  shape: ({ A, B, C }, { transA, transB }) => {
    if (differ(A.dims[1 - transA], B.dims[transB])) throw misfit('Gemm', 'the inner dimensions differ', { A, B, C });
    return [A.dims[transA]!, B.dims[1 - transB]!];
  },

  grad: ({ A, B, C, dY }, { alpha, beta, transA, transB }, g) => ({
    A: transA ? g.Gemm(B, dY, { alpha, transA: transB, transB: 1 }) : g.Gemm(dY, B, { alpha, transB: 1 - transB }),
    B: transB ? g.Gemm(dY, A, { alpha, transA: 1, transB: transA }) : g.Gemm(A, dY, { alpha, transA: 1 - transA }),
    C: C && g.sumTo(beta === 1 ? dY : g.Mul(dY, beta), C.dims),
  }),

  couple: ({ A, B, C, Y }, { transA, transB }) => [
    tie(Y[0]!, A[transA]!, 'rows stay rows'),
    tie(A[1 - transA]!, B[transB]!, 'what one layer drops, the next stops reading'),
    tie(Y[1]!, B[1 - transB]!, 'a feature lives in weight and output'),
    ...tieBroadcast(Y, C),
  ],

  cost: ({ A, Y }, { transA }) => ({ macs: Y.dims[0]! * Y.dims[1]! * A.dims[1 - transA]! }),
  quant: { kind: 'weighted', input: 'A', weight: 'B', bias: 'C', axis: ({ transB }) => 1 - transB },

  samples: [
    { A: [2, 3], B: [3, 4] },
    { A: [2, 3], B: [4, 3], C: [4], attrs: { transB: 1 } },
    { A: [3, 2], B: [4, 3], C: [1], attrs: { transA: 1, transB: 1, alpha: 0.5, beta: 2 } },
    { A: [3, 2], B: [3, 4], C: [2, 4], attrs: { transA: 1 } },
  ],
  history: [
    {
      // Up to opset 10 there was always something to add.
      until: 10,
      old: (node, make) => {
        const [A, B, C] = node.inputs as [string, string, string?];
        if (C) return node;
        const dtype = make.dtype(A);
        return dtype ? { ...node, inputs: [A, B, make.constant('zero', zeros(dtype, [1]))] } : 'its type is unknown';
      },
    },
  ],
});

const differ = (a: Dim | undefined, b: Dim | undefined): boolean =>
  typeof a === 'number' && typeof b === 'number' && a !== b;

export const MatMul = op({
  type: 'MatMul',
  inputs: ['A', 'B'],
  attrs: {},

  // [..., M, K] · [..., K, N] -> [..., M, N]; a vector operand loses its axis in the result.
  shape: ({ A, B }) => productDims('MatMul', A, B),

  grad: ({ A, B, dY }, _, g) => {
    const slopes = matrixSlopes(A, B, dY, g);
    return {
      A: g.reshape(g.sumTo(slopes.A, matrixDims(A.dims, 'row')), A.dims),
      B: g.reshape(g.sumTo(slopes.B, matrixDims(B.dims, 'column')), B.dims),
    };
  },

  couple: ({ A, B, Y }) => productLinks(A, B, Y),
  cost: ({ A, Y }) => ({ macs: Y.dims.reduce((n, dim) => n * dim, 1) * A.dims[A.dims.length - 1]! }),
  quant: { kind: 'weighted', input: 'A', weight: 'B', axis: (_, rank) => rank - 1 },
  samples: [
    { A: [2, 3], B: [3, 4] },
    { A: [2, 5, 3], B: [3, 4] },
    { A: [2, 2, 5, 3], B: [2, 2, 3, 4] },
    { A: [2, 1, 5, 3], B: [4, 3, 2] },
    { A: [3], B: [3, 4] },
    { A: [2, 3], B: [3] },
  ],
});

/** MatMul with flags that read an operand transposed: what gradients are made of. */
export const FusedMatMul = op({
  type: 'FusedMatMul',
  domain: 'com.microsoft',
  inputs: ['A', 'B'],
  attrs: { alpha: float(1), transA: int(0), transB: int(0), transBatchA: int(0), transBatchB: int(0) },
  shape: ({ A, B }, { transA, transB }) => productDims('FusedMatMul', flip(A, transA), flip(B, transB)),
  grad: 'missing',
  decompose: ({ A, B }, { alpha, transA, transB, transBatchA, transBatchB }, g) => {
    if (transBatchA === 1 || transBatchB === 1) return undefined;
    const y = g.MatMul(turned(A, transA, g), turned(B, transB, g));
    return [alpha === 1 ? y : g.Mul(y, alpha)];
  },
  couple: 'none',
  cost: ({ A, Y }, { transA }) => ({
    macs: Y.dims.reduce((n, dim) => n * dim, 1) * A.dims[A.dims.length - (transA ? 2 : 1)]!,
  }),
  quant: 'float',
  samples: [
    { A: [2, 3, 4], B: [2, 3, 5], attrs: { transA: 1 } },
    { A: [2, 3], B: [4, 3], attrs: { transB: 1, alpha: 0.5 } },
  ],
});

/** The last two axes swapped, where the flag asks for it. */
const turned = (x: StaticValue, transposed: number, g: Builder): StaticValue => {
  const last = x.dims.length - 1;
  const perm = x.dims.map((_, i) => (i === last ? last - 1 : i === last - 1 ? last : i));
  return transposed ? g.Transpose(x, { perm }) : x;
};

const flip = (x: Value, transposed: number): Value => {
  const rank = x.dims.length;
  return transposed ? { ...x, dims: [...x.dims.slice(0, rank - 2), x.dims[rank - 1]!, x.dims[rank - 2]!] } : x;
};

function productDims(op: string, A: Value, B: Value): Dim[] {
  if (A.dims.length === 0 || B.dims.length === 0) throw misfit(op, 'a scalar has no matrix product', { A, B });
  const a = matrixDims(A.dims, 'row');
  const b = matrixDims(B.dims, 'column');
  if (differ(a[a.length - 1], b[b.length - 2])) throw misfit(op, 'the inner dimensions differ', { A, B });
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  if (!batch) throw misfit(op, 'the batch dimensions cannot be broadcast', { A, B });
  return [...batch, ...(A.dims.length > 1 ? [a[a.length - 2]!] : []), ...(B.dims.length > 1 ? [b[b.length - 1]!] : [])];
}

/** The operand as a matrix: a vector on the left is a row, on the right a column. */
const matrixDims = <D extends Dim>(dims: readonly D[], side: 'row' | 'column'): D[] =>
  dims.length > 1 ? [...dims] : side === 'row' ? [1 as D, dims[0]!] : [dims[0]!, 1 as D];

/** Slopes before batch axes are summed back: dA = dY·Bᵀ, dB = Aᵀ·dY. */
function matrixSlopes(A: StaticValue, B: StaticValue, dY: StaticValue, g: Builder): { A: StaticValue; B: StaticValue } {
  const a = g.reshape(A, matrixDims(A.dims, 'row'));
  const b = g.reshape(B, matrixDims(B.dims, 'column'));
  const batch = broadcast(a.dims.slice(0, -2), b.dims.slice(0, -2)) as number[];
  const rows = a.dims[a.dims.length - 2]!;
  const columns = b.dims[b.dims.length - 1]!;
  const dy = g.reshape(dY, [...batch, rows, columns]);
  const shared = b.dims.length === 2 && a.dims.length > 2;
  if (!shared) return { A: g.FusedMatMul(dy, b, { transB: 1 }), B: g.FusedMatMul(a, dy, { transA: 1 }) };
  // One weight for the whole batch: fold the batch into the rows, one large product instead of many small ones.
  const inner = a.dims[a.dims.length - 1]!;
  const flat = batch.reduce((n, dim) => n * dim, 1) * rows;
  const flatDy = g.reshape(dy, [flat, columns]);
  return {
    A: g.reshape(g.Gemm(flatDy, b, { transB: 1 }), a.dims),
    B: g.Gemm(g.reshape(a, [flat, inner]), flatDy, { transA: 1 }),
  };
}

function productLinks(A: readonly Axis[], B: readonly Axis[], Y: readonly Axis[]): Link[] {
  const vectorA = A.length === 1;
  const vectorB = B.length === 1;
  const links = [tie(A[A.length - 1]!, B[vectorB ? 0 : B.length - 2]!, 'what one layer drops, the next stops reading')];
  if (!vectorA) links.push(tie(Y[Y.length - (vectorB ? 1 : 2)]!, A[A.length - 2]!, 'rows stay rows'));
  if (!vectorB) links.push(tie(Y[Y.length - 1]!, B[B.length - 1]!, 'a feature lives in weight and output'));
  const batchY = Y.slice(0, Y.length - (vectorA ? 0 : 1) - (vectorB ? 0 : 1));
  return [...links, ...tieBroadcast(batchY, A.slice(0, -2)), ...tieBroadcast(batchY, B.slice(0, -2))];
}
