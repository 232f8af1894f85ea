import { describe, expect, it } from 'vitest';
import { random } from '../../base/random.ts';
import { cholesky, solveCholesky } from '../../linear/cholesky.ts';
import { matrix, product } from '../../linear/matrix.ts';
import { type BlockShape, type Blocks, fromBlocks, roundToNearest } from '../blocks.ts';
import { pulls, gptq as round } from './gptq.ts';

const multiply = async (...AB: Parameters<typeof product>) => product(...AB);
const gptq = async (w: Float32Array, shape: BlockShape, isSymmetric: boolean, G: Float64Array): Promise<Blocks> =>
  round(w, shape, isSymmetric, await pulls(shape.K, G, multiply), multiply);

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

/** min over the errors that are still free of dᵀ H d, with the first ones given. */
function leastError(H: Float64Array, K: number, given: readonly number[]): number {
  const free = K - given.length;
  const first = given.length;
  const part = matrix(free, free);
  const pulled = matrix(free, 1);
  for (let i = 0; i < free; i++) {
    for (let j = 0; j < free; j++) part.data[i * free + j] = H[(first + i) * K + first + j]!;
    given.forEach((d, j) => {
      pulled.data[i]! -= H[(first + i) * K + j]! * d;
    });
  }
  const d = [...given, ...(free > 0 ? solveCholesky(cholesky(part), pulled).data : [])];
  return d.reduce((sum, a, i) => sum + d.reduce((row, b, j) => row + a * H[i * K + j]! * b, 0), 0);
}

describe('gptq', () => {
  it.each([2, 4] as const)('errs less than rounding to nearest on every layer tried (%s bits)', async (bits) => {
    for (let trial = 0; trial < 12; trial++) {
      const shape: BlockShape = { K: 48, N: 6, bits, size: 16 };
      const w = drawn(shape.K * shape.N);
      const G = momentsOf(readings(200, shape.K), shape.K);
      for (const symmetric of [true, false]) {
        const plain = errorOf(w, roundToNearest(w, shape, symmetric), shape, G);
        expect(errorOf(w, await gptq(w, shape, symmetric, G), shape, G)).toBeLessThan(plain);
      }
    }
  });

  it.each([2, 4] as const)(
    'chooses what trying every code would, with the rest free to make up for it (%s bits)',
    async (bits) => {
      for (const isSymmetric of [true, false]) {
        const shape: BlockShape = { K: 6, N: 4, bits, size: 16 };
        const { K, N } = shape;
        const w = drawn(K * N);
        const G = momentsOf(readings(40, K), K);
        const { codes, scales, zeros } = await gptq(w, shape, isSymmetric, G);
        const damping = Array.from({ length: K }, (_, k) => (0.01 * 2 * G[k * K + k]!) / K).reduce((a, b) => a + b);
        const H = G.map((v, i) => 2 * v + (i % (K + 1) === 0 ? damping : 0));
        for (let n = 0; n < N; n++) {
          const value = (code: number): number => (code - (zeros?.[n] ?? 2 ** (bits - 1))) * scales[n]!;
          const errors: number[] = [];
          for (let k = 0; k < K; k++) {
            const tried = Array.from({ length: 2 ** bits }, (_, code) =>
              leastError(H, K, [...errors, value(code) - w[k * N + n]!]),
            );
            const code = codes[n * K + k]!;
            expect(tried[code]).toBeLessThanOrEqual(Math.min(...tried) * (1 + 1e-9));
            errors.push(value(code) - w[k * N + n]!);
          }
        }
      }
    },
  );

  it('is rounding to nearest where inputs have nothing to do with each other', async () => {
    const shape: BlockShape = { K: 32, N: 4, bits: 4, size: 32 };
    const w = drawn(shape.K * shape.N);
    const G = new Float64Array(shape.K ** 2);
    for (let k = 0; k < shape.K; k++) G[k * shape.K + k] = 1 + k;
    expect(await gptq(w, shape, true, G)).toEqual(roundToNearest(w, shape, true));
  });
});
