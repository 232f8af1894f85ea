/** Makes the scores of different groups comparable. */

export type Normalization = 'mean' | 'sum' | 'max' | 'none';

/** The scores over their mean, sum or maximum; unchanged where that is 0. */
export function normalize(scores: Float64Array, how: Normalization): Float64Array {
  if (how === 'none') return scores;
  const sum = scores.reduce((a, b) => a + b, 0);
  const scale = how === 'max' ? Math.max(...scores) : how === 'sum' ? sum : sum / scores.length;
  return scale > 0 ? scores.map((score) => score / scale) : scores;
}
