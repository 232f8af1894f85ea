/**
 * The rank that a matrix with Gaussian noise has, without a threshold to choose: empirical variational Bayes.
 *
 *   Y [L, M], L ≤ M, α = L / M, τ̄ = 2.5129 √α, x̄ = (1 + τ̄)(1 + α / τ̄), x = s² / (M σ²)
 *   σ² minimises Σ_{x ≤ x̄} (x − ln x) + Σ_{x > x̄} [x − τ(x) + ln((τ(x) + 1) / x) + α ln(τ(x) / α + 1)]
 *                + rest / (M σ²) + (L − H) ln σ²
 *   τ(x) = ½ (x − (1 + α) + √((x − (1 + α))² − 4 α));   the rank is the number of s above √(M σ² x̄)
 *
 * Source   Nakajima et al. 2013, "Global analytic solution of fully-observed variational Bayesian matrix
 *          factorization", JMLR 14, Theorem 2 and section 6 (constants as in the authors' code).
 */

/** The rank of a matrix [rows, columns] with these squared singular values, largest first. At least 0. */
export function evbmfRank(energy: ArrayLike<number>, rows: number, columns: number): number {
  const L = Math.min(rows, columns);
  const M = Math.max(rows, columns);
  const H = Math.min(L, energy.length);
  const alpha = L / M;
  const tauBar = 2.5129 * Math.sqrt(alpha);
  const xBar = (1 + tauBar) * (1 + alpha / tauBar);
  const s2 = Array.from({ length: H }, (_, i) => Math.max(energy[i]!, 0));
  const total = s2.reduce((sum, x) => sum + x, 0);
  if (total === 0) return 0;
  const edge = Math.max(0, Math.min(Math.ceil(L / (1 + alpha)) - 1, H) - 1);
  const tail = s2.slice(edge + 1);
  const tailMean = tail.length > 0 ? tail.reduce((sum, x) => sum + x, 0) / tail.length : 0;
  const upper = total / (L * M);
  const lower = Math.max((s2[edge + 1] ?? 0) / (M * xBar), tailMean / M, upper * 1e-12);
  const sigma2 = lower < upper ? minimum((v) => objective(v, s2, { L, M, H, alpha, xBar }), lower, upper) : lower;
  const threshold = M * sigma2 * xBar;
  return s2.filter((x) => x > threshold).length;
}

interface Shape {
  readonly L: number;
  readonly M: number;
  readonly H: number;
  readonly alpha: number;
  readonly xBar: number;
}

function objective(sigma2: number, s2: readonly number[], { L, M, H, alpha, xBar }: Shape): number {
  let sum = (L - H) * Math.log(sigma2);
  for (const s of s2) {
    const x = Math.max(s / (M * sigma2), Number.MIN_VALUE);
    if (x <= xBar) {
      sum += x - Math.log(x);
      continue;
    }
    const shifted = x - (1 + alpha);
    const tau = 0.5 * (shifted + Math.sqrt(Math.max(0, shifted * shifted - 4 * alpha)));
    sum += x - tau + Math.log((tau + 1) / x) + alpha * Math.log(tau / alpha + 1);
  }
  return sum;
}

const GOLDEN = (Math.sqrt(5) - 1) / 2;
const GRID = 64;

/** Where f is smallest between two positive numbers: the best of a geometric grid, then golden sections around it. */
function minimum(f: (x: number) => number, lower: number, upper: number): number {
  const step = (upper / lower) ** (1 / GRID);
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= GRID; i++) {
    const value = f(lower * step ** i);
    if (value < least) [best, least] = [i, value];
  }
  let [a, b] = [lower * step ** Math.max(0, best - 1), lower * step ** Math.min(GRID, best + 1)];
  for (let turn = 0; turn < 80; turn++) {
    const [c, d] = [b - GOLDEN * (b - a), a + GOLDEN * (b - a)];
    if (f(c) < f(d)) b = d;
    else a = c;
  }
  return (a + b) / 2;
}
