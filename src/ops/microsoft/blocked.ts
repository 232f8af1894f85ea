/** Weights packed to a few bits, a scale for each block. */

import { isStatic, times } from '../../graph/dim.ts';
import { count, fromFront } from '../answer.ts';
import type { Builder } from '../builder.ts';
import { carried } from '../carried.ts';
import { int, type StaticValue } from '../op.ts';
import { exactly } from '../sample.ts';

const domain = 'com.microsoft';

/** Each byte as the integers of so many bits that it holds, the lowest first, in floats: [count · 8 / bits]. */
function unpacked(bytes: StaticValue, bits: number, g: Builder): StaticValue {
  const column = g.reshape(bytes, [count(bytes.dims), 1]);
  if (bits === 8) return g.Cast(column, { to: 1 });
  const mask = g.scalar(2 ** bits - 1, 'uint8');
  const parts = Array.from({ length: 8 / bits }, (_, i) =>
    g.BitwiseAnd(i === 0 ? column : g.BitShift(column, g.scalar(i * bits, 'uint8'), { direction: 'RIGHT' }), mask),
  );
  return g.Cast(g.Concat(...parts, { axis: 1 }), { to: 1 });
}

/** Zero points [N, blocks, 1], from packed bytes (each row filled up to whole ones) or as the floats they are. */
function zerosOfBlocks(
  zeros: StaticValue,
  { N, blocks, bits }: { readonly N: number; readonly blocks: number; readonly bits: number },
  g: Builder,
): StaticValue {
  if (zeros.dtype !== 'uint8') return g.reshape(zeros, [N, blocks, 1]);
  const each = Math.ceil((blocks * bits) / 8) * (8 / bits);
  const rows = g.reshape(unpacked(zeros, bits, g), [N, each]);
  return g.reshape(each === blocks ? rows : g.Slice(rows, [0], [blocks], [1]), [N, blocks, 1]);
}

/** A [..., K] · Bᵀ, B [N, blocks, bytes] with `bits` bits per weight and a scale per block. */
export const MatMulNBits = carried('MatMulNBits', {
  domain,
  inputs: ['A', 'B', 'scales', 'zero_points?', 'g_idx?', 'bias?'],
  attrs: { K: int(0), N: int(0), bits: int(4), block_size: int(32), accuracy_level: int(0) },
  shape: ({ A }, { N }) => [...A.dims.slice(0, -1), N],
  cost: ({ Y }, { K }) => ({ macs: count(Y.dims) * K }),
  packed: { slot: 'B', count: (_, { K, N }) => K * N },
  // Frozen weights: only the input has a slope, through the weights as they stand.
  decompose: ({ A, B, scales, zero_points, g_idx, bias }, { K, N, bits, block_size }, g) => {
    if (![2, 4, 8].includes(bits) || g_idx || !isStatic(B.dims)) return undefined;
    const blocks = Math.ceil(K / block_size);
    const steps = g.reshape(unpacked(B, bits, g), [N, blocks, block_size]);
    const zeros = zero_points && zerosOfBlocks(zero_points, { N, blocks, bits }, g);
    const whole = g.Mul(g.Sub(steps, zeros ?? 2 ** (bits - 1)), g.reshape(scales, [N, blocks, 1]));
    const rows = g.reshape(whole, [N, blocks * block_size]);
    const weight = blocks * block_size === K ? rows : g.Slice(rows, [0], [K], [1]);
    const y = g.MatMul(A, g.Transpose(weight, { perm: [1, 0] }));
    return [bias ? g.Add(y, bias) : y];
  },
  samples: [
    {
      A: [2, 32],
      B: exactly(
        'uint8',
        [3, 1, 16],
        Array.from({ length: 48 }, (_, i) => (i * 37) % 256),
      ),
      scales: exactly('float32', [3], [0.1, 0.2, 0.05]),
      attrs: { K: 32, N: 3, bits: 4, block_size: 32 },
      macs: 2 * 3 * 32,
    },
    {
      A: [2, 40],
      B: exactly(
        'uint8',
        [3, 2, 16],
        Array.from({ length: 96 }, (_, i) => (i * 91) % 256),
      ),
      scales: exactly('float32', [6], [0.1, 0.2, 0.05, 0.02, 0.1, 0.3]),
      zero_points: exactly('uint8', [3], [0x79, 0x85, 0x64]),
      attrs: { K: 40, N: 3, bits: 4, block_size: 32 },
      macs: 2 * 3 * 40,
    },
    {
      A: [2, 32],
      B: exactly(
        'uint8',
        [2, 1, 32],
        Array.from({ length: 64 }, (_, i) => (i * 29) % 256),
      ),
      scales: exactly('float32', [2], [0.01, 0.02]),
      attrs: { K: 32, N: 2, bits: 8, block_size: 32 },
      macs: 2 * 2 * 32,
    },
  ],
});

export const GatherBlockQuantized = carried('GatherBlockQuantized', {
  domain,
  inputs: ['data', 'indices', 'scales', 'zero_points?'],
  attrs: { bits: int(4), block_size: int(128), gather_axis: int(0), quantize_axis: int(1) },
  packed: { slot: 'data', count: (size, { bits }) => (size * 8) / bits },
  shape: ({ data, indices, scales }, { bits, gather_axis, quantize_axis }) => {
    const at = fromFront(gather_axis, data.dims.length);
    const packed = data.dtype === 'uint8' ? 8 / bits : 1;
    const dims = data.dims.map((dim, i) =>
      i === fromFront(quantize_axis, data.dims.length) ? times(dim, packed) : dim,
    );
    return { dims: [...dims.slice(0, at), ...indices.dims, ...dims.slice(at + 1)], dtype: scales.dtype };
  },
});
