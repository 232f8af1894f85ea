/** The small linear algebra keeps its promises: factors multiply back, vectors are orthonormal, known values come out. */

import { expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { cholesky, ridge, solveCholesky } from './cholesky.ts';
import { eigen } from './eigen.ts';
import { elimination } from './eliminate.ts';
import { cholesky as largeCholesky } from './large-cholesky.ts';
import { gram, type Matrix, matrix, product, transpose } from './matrix.ts';
import { svd } from './svd.ts';

const drawn = (rows: number, columns: number, seed = 1): Matrix => {
  const source = random(seed, `${rows}x${columns}`);
  return matrix(
    rows,
    columns,
    Float64Array.from({ length: rows * columns }, () => source.normal()),
  );
};
const apart = (A: Matrix, B: Matrix): number => {
  expect([A.rows, A.columns]).toEqual([B.rows, B.columns]);
  return A.data.reduce((worst, x, i) => Math.max(worst, Math.abs(x - B.data[i]!)), 0);
};
const unit = (n: number): Matrix =>
  matrix(
    n,
    n,
    Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)),
  );
const diagonal = (s: ArrayLike<number>): Matrix => {
  const D = matrix(s.length, s.length);
  for (let i = 0; i < s.length; i++) D.data[i * (s.length + 1)] = s[i]!;
  return D;
};

it.each([1, 2, 7, 40, 130])('eigen: A = V d Vᵀ, VᵀV = 1 (n = %i)', (n) => {
  const A = gram(drawn(n, n + 3));
  const { values, vectors } = eigen(A);
  expect(apart(product(product(vectors, diagonal(values)), transpose(vectors)), A)).toBeLessThan(
    1e-11 * n * values[0]!,
  );
  expect(apart(product(transpose(vectors), vectors), unit(n))).toBeLessThan(1e-12 * n);
  expect([...values]).toEqual([...values].sort((a, b) => b - a));
});

it('eigen: the second difference matrix has the eigenvalues 2 − 2 cos(kπ/(n+1))', () => {
  const n = 12;
  const A = matrix(n, n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) A.data[i * n + j] = i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0;
  const known = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((n - k) * Math.PI) / (n + 1)));
  for (const [i, value] of eigen(A).values.entries()) expect(value).toBeCloseTo(known[i]!, 12);
});

it.each([
  [1, 1],
  [5, 3],
  [3, 5],
  [30, 64],
  [64, 30],
])('svd: A = U s Vᵀ with orthonormal U and V (%i × %i)', (rows, columns) => {
  const A = drawn(rows, columns);
  const { U, s, V } = svd(A);
  const r = Math.min(rows, columns);
  expect(apart(product(product(U, diagonal(s)), transpose(V)), A)).toBeLessThan(1e-12 * r);
  expect(apart(product(transpose(U), U), unit(r))).toBeLessThan(1e-12);
  expect(apart(product(transpose(V), V), unit(r))).toBeLessThan(1e-12);
});

it('svd: small singular values are exact where the Gram matrix alone would lose them', () => {
  const known = [1, 1e-3, 1e-6, 1e-9];
  const U = svd(drawn(6, 4, 2)).U;
  const V = svd(drawn(5, 4, 3)).U;
  const { s } = svd(product(product(U, diagonal(known)), transpose(V)));
  for (const [i, value] of known.entries()) expect(Math.abs(s[i]! / value - 1)).toBeLessThan(1e-6);
});

it('svd: a matrix of rank 2 has two singular values', () => {
  const { s } = svd(product(drawn(20, 2), drawn(2, 9)));
  expect(s[1]).toBeGreaterThan(0.1);
  expect(s[2]).toBeLessThan(1e-12 * s[0]!);
});

it('cholesky: L Lᵀ = A, and solves', () => {
  const A = gram(drawn(25, 40));
  const L = cholesky(A);
  expect(apart(product(L, transpose(L)), A)).toBeLessThan(1e-11);
  const X = drawn(25, 4, 5);
  expect(apart(solveCholesky(L, product(A, X)), X)).toBeLessThan(1e-9);
  expect(() => cholesky(matrix(2, 2, [1, 2, 2, 1]))).toThrow(/do not determine/);
});

it('ridge: the slope of ‖XW − Y‖² + λd‖W‖² vanishes; a constant column is not shrunk', () => {
  const X = drawn(60, 6);
  for (let i = 0; i < 60; i++) X.data[i * 6 + 5] = 1;
  const Y = drawn(60, 3, 7);
  for (let i = 0; i < Y.data.length; i++) Y.data[i]! += 40;
  const [G, B] = [product(transpose(X), X), product(transpose(X), Y)];
  const W = ridge(G, B, 0.1, 1);
  const d = [0, 1, 2, 3, 4, 5].reduce((sum, i) => sum + G.data[i * 7]! / 6, 0);
  const left = product(G, W);
  for (let i = 0; i < 6; i++)
    for (let j = 0; j < 3; j++) {
      const slope = left.data[i * 3 + j]! - B.data[i * 3 + j]! + (i < 5 ? 0.1 * d * W.data[i * 3 + j]! : 0);
      expect(Math.abs(slope)).toBeLessThan(1e-6);
    }
});

it('ridge: where nothing was seen, nothing is learnt', () => {
  expect([...ridge(matrix(3, 3), matrix(3, 2), 0.1).data]).toEqual([0, 0, 0, 0, 0, 0]);
});

it.each([1, 95, 96, 97, 250])('large Cholesky: the same factor as in one piece (n = %i)', async (n) => {
  const A = gram(drawn(n, n + 5));
  const whole = cholesky(A);
  const L = await largeCholesky(A, async (B, C) => product(B, C));
  expect(apart(L, whole)).toBeLessThan(1e-10 * n);
});

it('elimination: a block costs what the error grows by when the rest is fitted anew, also after others went', () => {
  const [n, m] = [7, 3];
  const G = gram(drawn(n, 12));
  const W = drawn(n, m, 3);
  const c = [1, 2, 0.5];
  const blocks = [[0, 1], [2, 3], [4, 5]]; // biome-ignore format: one line
  const { cost, remove } = elimination({ gram: G.data, weights: W.data, importance: c, blocks });
  let mean = 0;
  for (let i = 0; i < n; i++) mean += G.data[i * (n + 1)]! / n;
  const damped = (i: number, j: number): number => G.data[i * n + j]! + (i === j ? 0.01 * mean : 0);
  /** min over V, zero at `gone`, of Σ_o c_o (V − W)_oᵀ G (V − W)_o. */
  const error = (gone: readonly number[]): number => {
    const kept = Array.from({ length: n }, (_, i) => i).filter((i) => !gone.includes(i));
    const A = matrix(
      kept.length,
      kept.length,
      kept.flatMap((i) => kept.map((j) => damped(i, j))),
    );
    const B = matrix(
      kept.length,
      m,
      kept.flatMap((i) => c.map((_, o) => gone.reduce((sum, j) => sum + damped(i, j) * W.data[j * m + o]!, 0))),
    );
    const step = solveCholesky(cholesky(A), B);
    const delta = matrix(n, m);
    for (const [a, i] of kept.entries()) delta.data.set(step.data.subarray(a * m, (a + 1) * m), i * m);
    for (const j of gone) for (let o = 0; o < m; o++) delta.data[j * m + o] = -W.data[j * m + o]!;
    let sum = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        for (let o = 0; o < m; o++) sum += c[o]! * delta.data[i * m + o]! * damped(i, j) * delta.data[j * m + o]!;
    return sum;
  };
  expect(cost(1)).toBeCloseTo(error([2, 3]), 8);
  remove(1);
  expect(cost(0)).toBeCloseTo(error([0, 1, 2, 3]) - error([2, 3]), 8);
  remove(0);
  expect(cost(2)).toBeCloseTo(error([0, 1, 2, 3, 4, 5]) - error([0, 1, 2, 3]), 8);
});
