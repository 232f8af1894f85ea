/** How far two networks' answers lie apart. */

interface Answers {
  readonly values: ArrayLike<number>;
  /** Without the batch axis. */
  readonly dims: readonly number[];
}

/**
 * The mean over samples of
 *
 *   classes [C], [T, C] or [C, 1, …]     KL(p ‖ q) = Σ_k p_k (log p_k − log q_k), nats, mean over T
 *   anything else                        Σ (y − y')² / Σ y²
 */
export function divergence(dense: Answers, other: Answers, count: number): number {
  const each = dense.values.length / count;
  const wide = dense.dims.filter((dim) => dim !== 1);
  const classes = wide.length === 1 ? wide[0]! : dense.dims.length === 2 ? dense.dims[1]! : undefined;
  const [a, b] = [Float64Array.from(dense.values), Float64Array.from(other.values)];
  if (classes === undefined || classes < 2) {
    let [error, power] = [0, 0];
    for (let i = 0; i < a.length; i++) {
      error += (a[i]! - b[i]!) ** 2;
      power += a[i]! ** 2;
    }
    return error / (power + Number.MIN_VALUE);
  }
  let sum = 0;
  for (let at = 0; at < a.length; at += classes) {
    const [p, q] = [logSoftmax(a.subarray(at, at + classes)), logSoftmax(b.subarray(at, at + classes))];
    for (let k = 0; k < classes; k++) sum += Math.exp(p[k]!) * (p[k]! - q[k]!);
  }
  return sum / (count * (each / classes));
}

/** log softmax of one row. */
export function logSoftmax(row: ArrayLike<number>): Float64Array {
  let high = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < row.length; k++) high = Math.max(high, row[k]!);
  let sum = 0;
  for (let k = 0; k < row.length; k++) sum += Math.exp(row[k]! - high);
  return Float64Array.from(row, (x) => x - high - Math.log(sum));
}
