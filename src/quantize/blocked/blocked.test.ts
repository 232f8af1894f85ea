import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { type BlockShape, type Blocks, fromBlocks, roundToNearest } from '../blocks.ts';
import { gptq } from './gptq.ts';

const source = random(11, 'blocked');
const drawn = (count: number): Float32Array => Float32Array.from({ length: count }, () => source.normal());

/** Rows that depend on each other, as activations do. */
function readings(rows: number, K: number): Float32Array {
  const common = drawn(2 * K);
  const x = drawn(rows * K);
  for (let r = 0; r < rows; r++) {
    const [a, b] = [source.normal(), source.normal()];
    for (let k = 0; k < K; k++) x[r * K + k] = 0.4 * x[r * K + k]! + a * common[k]! + b * common[K + k]!;
  }
  return x;
}
function momentsOf(x: Float32Array, K: number): Float64Array {
  const G = new Float64Array(K * K);
  const rows = x.length / K;
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < K; i++) for (let j = 0; j < K; j++) G[i * K + j]! += (x[r * K + i]! * x[r * K + j]!) / rows;
  return G;
}
/** Mean squared error of the layer's answers: Σ_n dᵀ G d. */
function errorOf(w: Float32Array, blocks: Blocks, shape: BlockShape, G: Float64Array): number {
  const { K, N } = shape;
  const d = fromBlocks(blocks, shape).map((v, i) => v - w[i]!);
  let sum = 0;
  for (let n = 0; n < N; n++)
    for (let i = 0; i < K; i++) for (let j = 0; j < K; j++) sum += d[i * N + n]! * G[i * K + j]! * d[j * N + n]!;
  return sum;
}

describe('gptq', () => {
  it.each([2, 4] as const)('errs less than rounding to nearest on every layer tried (%s bits)', (bits) => {
    for (let trial = 0; trial < 12; trial++) {
      const shape: BlockShape = { K: 48, N: 6, bits, size: 16 };
      const w = drawn(shape.K * shape.N);
      const G = momentsOf(readings(200, shape.K), shape.K);
      for (const symmetric of [true, false]) {
        const plain = errorOf(w, roundToNearest(w, shape, symmetric), shape, G);
        expect(errorOf(w, gptq(w, shape, symmetric, G), shape, G)).toBeLessThan(plain);
      }
    }
  });

  it('takes the steps of the algorithm: each next weight is the best one for the errors made so far', () => {
    // Brute force: with codes 0 … k fixed, the weights that follow are the least-squares ones; GPTQ rounds the first of them.
    const shape: BlockShape = { K: 3, N: 1, bits: 4, size: 16 };
    const w = Float32Array.of(0.9, -0.53, 0.31);
    const G = momentsOf(readings(50, 3), 3);
    const damp = (0.01 * (2 * (G[0]! + G[4]! + G[8]!))) / 3;
    const H = G.map((v, i) => 2 * v + (i % 4 === 0 ? damp : 0));
    const { codes, scales } = gptq(w, shape, true, G);
    const value = (k: number): number => (codes[k]! - 8) * scales[0]!;
    const d0 = value(0) - w[0]!;
    // min over d1, d2 of dᵀ H d with d0 given: [H11 H12; H21 H22] [d1 d2]ᵀ = −d0 [H10 H20]ᵀ
    const det = H[4]! * H[8]! - H[5]! * H[7]!;
    const d1 = (-d0 * H[3]! * H[8]! + d0 * H[6]! * H[5]!) / det;
    expect(codes[1]).toBe(Math.round((w[1]! + d1) / scales[0]!) + 8);
    const e1 = value(1) - w[1]!;
    const d2 = -(d0 * H[6]! + e1 * H[7]!) / H[8]!;
    expect(codes[2]).toBe(Math.round((w[2]! + d2) / scales[0]!) + 8);
  });

  it('is rounding to nearest where inputs have nothing to do with each other', () => {
    const shape: BlockShape = { K: 32, N: 4, bits: 4, size: 32 };
    const w = drawn(shape.K * shape.N);
    const G = new Float64Array(shape.K ** 2);
    for (let k = 0; k < shape.K; k++) G[k * shape.K + k] = 1 + k;
    expect(gptq(w, shape, true, G)).toEqual(roundToNearest(w, shape, true));
  });
});
