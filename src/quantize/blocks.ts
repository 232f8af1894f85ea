/**
 * Weights in blocks of few bits, as com.microsoft MatMulNBits stores them.
 *
 *   w ≈ s · (q − z)        each block of `size` weights along K has its own s (and z)
 *   B  uint8 [N, ceil(K / size), size · bits / 8]       along K, the lowest bits first
 *   s  float32 [N · ceil(K / size)];  z  packed like B, rows of blocks padded to bytes; without it 2^(bits − 1)
 *
 * Source   ONNX Runtime, docs/ContribOperators.md (MatMulNBits); layout checked against the engine in the tests.
 */

export type BlockBits = 2 | 4 | 8;

export interface BlockShape {
  readonly K: number;
  readonly N: number;
  readonly bits: BlockBits;
  /** Weights per block along K: 16, 32, 64, 128 or 256. */
  readonly size: number;
}

/** Codes [N, K] (one byte each), scales and zero points [N, blocks]. */
export interface Blocks {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  /** Undefined: the middle of the codes. */
  readonly zeros?: Uint8Array;
}

export const blockCount = ({ K, size }: BlockShape): number => Math.ceil(K / size);

/**
 * Round to nearest.
 *
 * Symmetric: the weight that is largest in size lands on the lowest code exactly, s = −w / 2^(bits − 1).
 * Asymmetric: the block's least and largest weights (and 0) land on the ends of the codes.
 * Shapes   w [K, N].
 */
export function roundToNearest(w: Float32Array, shape: BlockShape, symmetric = true): Blocks {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const middle = 2 ** (bits - 1);
  const top = 2 ** bits - 1;
  const codes = new Uint8Array(N * K);
  const scales = new Float32Array(N * blocks);
  const zeros = symmetric ? undefined : new Uint8Array(N * blocks);
  for (let n = 0; n < N; n++) {
    for (let b = 0; b < blocks; b++) {
      const [from, to] = [b * size, Math.min(K, (b + 1) * size)];
      let [lo, hi] = [0, 0];
      for (let k = from; k < to; k++) {
        const x = w[k * N + n]!;
        if (x < lo) lo = x;
        if (x > hi) hi = x;
      }
      const extreme = -lo > hi ? lo : hi;
      const scale = Math.fround(symmetric ? extreme / -middle : (hi - lo) / top) || 1;
      const zero = symmetric ? middle : Math.min(top, Math.max(0, Math.round(-lo / scale)));
      scales[n * blocks + b] = scale;
      if (zeros) zeros[n * blocks + b] = zero;
      for (let k = from; k < to; k++) {
        codes[n * K + k] = Math.min(top, Math.max(0, Math.round(w[k * N + n]! / scale) + zero));
      }
    }
  }
  return { codes, scales, ...(zeros && { zeros }) };
}

/** The weights [K, N] that blocks stand for. */
export function fromBlocks({ codes, scales, zeros }: Blocks, shape: BlockShape): Float32Array {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const middle = 2 ** (bits - 1);
  const w = new Float32Array(K * N);
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const b = n * blocks + Math.floor(k / size);
      w[k * N + n] = (codes[n * K + k]! - (zeros?.[b] ?? middle)) * scales[b]!;
    }
  }
  return w;
}

/** The codes as B; what lies beyond K holds the zero point. */
export function packCodes({ codes, zeros }: Blocks, shape: BlockShape): Uint8Array {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const padded = new Uint8Array(N * blocks * size);
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < blocks * size; i++) {
      const zero = zeros?.[n * blocks + Math.floor(i / size)] ?? 2 ** (bits - 1);
      padded[n * blocks * size + i] = i < K ? codes[n * K + i]! : zero;
    }
  }
  return packBits(padded, bits);
}

/** Zero points, a row of blocks at a time, each row padded to whole bytes. */
export function packZeros(zeros: Uint8Array, shape: BlockShape): Uint8Array {
  const { N, bits } = shape;
  const blocks = blockCount(shape);
  const perByte = 8 / bits;
  const row = Math.ceil(blocks / perByte) * perByte;
  const padded = new Uint8Array(N * row);
  for (let n = 0; n < N; n++) padded.set(zeros.subarray(n * blocks, (n + 1) * blocks), n * row);
  return packBits(padded, bits);
}

/** Several codes to a byte, the first in the lowest bits. */
export function packBits(codes: Uint8Array, bits: BlockBits): Uint8Array {
  const perByte = 8 / bits;
  const packed = new Uint8Array(codes.length / perByte);
  for (let i = 0; i < codes.length; i++) packed[Math.floor(i / perByte)]! |= codes[i]! << (bits * (i % perByte));
  return packed;
}
