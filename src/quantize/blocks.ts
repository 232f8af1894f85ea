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
export const roundToNearest = (w: Float32Array, shape: BlockShape, symmetric = true): Blocks =>
  roundRows(transposed(w, shape.K, shape.N), shape, symmetric);

/** The same for the rows [N, K] of a transposed matrix. */
export function roundRows(rows: Float32Array, shape: BlockShape, symmetric = true): Blocks {
  const { K, N, bits, size } = shape;
  const blocks = blockCount(shape);
  const codes = new Uint8Array(N * K);
  const scales = new Float32Array(N * blocks);
  const zeros = symmetric ? undefined : new Uint8Array(N * blocks);
  const middle = 2 ** (bits - 1);
  for (let n = 0, at = 0; n < N; n++) {
    for (let b = 0; b < blocks; b++) {
      const end = n * K + Math.min(K, (b + 1) * size);
      const { scale, zero } = gridOfBlock(rows, at, end, bits, symmetric);
      scales[n * blocks + b] = scale;
      if (zeros) zeros[n * blocks + b] = zero;
      for (; at < end; at++) codes[at] = codeOf(rows[at]! / scale, zeros ? zero : middle, bits);
    }
  }
  return { codes, scales, ...(zeros && { zeros }) };
}

/** Scale and zero point of the weights from `at` to `end`. */
export function gridOfBlock(
  rows: Float32Array,
  at: number,
  end: number,
  bits: BlockBits,
  symmetric: boolean,
): { scale: number; zero: number } {
  let [lo, hi] = [0, 0];
  for (let i = at; i < end; i++) {
    const x = rows[i]!;
    if (x < lo) lo = x;
    if (x > hi) hi = x;
  }
  const [middle, top] = [2 ** (bits - 1), 2 ** bits - 1];
  if (symmetric) return { scale: Math.fround((-lo > hi ? lo : hi) / -middle) || 1, zero: middle };
  const scale = Math.fround((hi - lo) / top) || 1;
  return { scale, zero: Math.min(top, Math.max(0, Math.round(-lo / scale))) };
}

/** The code of a weight that is so many steps from 0. */
export const codeOf = (steps: number, zero: number, bits: BlockBits): number =>
  Math.min((1 << bits) - 1, Math.max(0, Math.round(steps) + zero));

/** The columns of x [rows, columns] one after the other. */
export function transposed<T extends Float32Array | Uint8Array>(x: T, rows: number, columns: number): T {
  const y = new (x.constructor as new (length: number) => T)(x.length);
  // In tiles, of which both sides stay near the processor.
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < columns; left += TILE) {
      const [bottom, right] = [Math.min(rows, top + TILE), Math.min(columns, left + TILE)];
      for (let c = left; c < right; c++) for (let r = top; r < bottom; r++) y[c * rows + r] = x[r * columns + c]!;
    }
  }
  return y;
}

const TILE = 32;

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
  const width = blocks * size;
  if (width === K) return packBits(codes, bits);
  const padded = new Uint8Array(N * width);
  for (let n = 0; n < N; n++) {
    padded.set(codes.subarray(n * K, (n + 1) * K), n * width);
    padded.fill(zeros?.[(n + 1) * blocks - 1] ?? 2 ** (bits - 1), n * width + K, (n + 1) * width);
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
  for (let i = 0, at = 0; i < packed.length; i++) {
    let byte = 0;
    for (let shift = 0; shift < 8; shift += bits) byte |= codes[at++]! << shift;
    packed[i] = byte;
  }
  return packed;
}
