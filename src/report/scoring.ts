/**
 * From outputs to answers and losses.
 *
 *   loss = −log p[target]       p = the output, exp(output), or softmax(output), as the output's scale says
 *   a single number per sample is a yes-or-no: p = σ(output) or the output itself
 */

export type Scale = 'probabilities' | 'log-probabilities' | 'logits';

const NEAR = 1e-2;
/** The least probability that counts: −log of it is about 27.6. */
const FLOOR = 1e-12;

/**
 * What the numbers are, from rows of `width` of them: rows of shares that sum to 1 are probabilities, rows whose
 * exponentials do are their logarithms, all else is logits.
 */
export function scaleOf(outputs: ArrayLike<number>, width: number): Scale {
  const rows = outputs.length / width;
  const each = (test: (at: number) => boolean): boolean => {
    for (let row = 0; row < rows; row++) if (!test(row * width)) return false;
    return rows > 0;
  };
  const sum = (at: number, of: (x: number) => number): number => {
    let total = 0;
    for (let i = at; i < at + width; i++) total += of(outputs[i]!);
    return total;
  };
  const inside = (at: number): boolean => {
    for (let i = at; i < at + width; i++) if (!(outputs[i]! >= 0 && outputs[i]! <= 1 + NEAR)) return false;
    return true;
  };
  if (width === 1) return each(inside) ? 'probabilities' : 'logits';
  if (each((at) => inside(at) && Math.abs(sum(at, (x) => x) - 1) < NEAR)) return 'probabilities';
  if (each((at) => Math.abs(sum(at, Math.exp) - 1) < NEAR && outputs[at]! <= NEAR)) return 'log-probabilities';
  return 'logits';
}

/** The class of each row: the first largest number, or yes (1) and no (0) for single numbers; −1 for NaN. */
export function answersOf(outputs: ArrayLike<number>, width: number, scale: Scale): Int32Array {
  return Int32Array.from({ length: outputs.length / width }, (_, row) => {
    if (width === 1) {
      const x = outputs[row]!;
      return Number.isNaN(x) ? -1 : x > (scale === 'probabilities' ? 0.5 : 0) ? 1 : 0;
    }
    let best = 0;
    for (let i = 0; i < width; i++) {
      if (Number.isNaN(outputs[row * width + i]!)) return -1;
      if (outputs[row * width + i]! > outputs[row * width + best]!) best = i;
    }
    return best;
  });
}

/** Cross-entropy in nats, summed over the rows. */
export function lossOf(outputs: ArrayLike<number>, width: number, scale: Scale, targets: ArrayLike<number>): number {
  let sum = 0;
  for (let row = 0; row < outputs.length / width; row++) {
    sum += width === 1 ? yesNo(outputs[row]!, scale, targets[row]!) : oneOf(outputs, width, scale, row, targets[row]!);
  }
  return sum;
}

const yesNo = (x: number, scale: Scale, target: number): number => {
  if (scale === 'probabilities') return -Math.log(Math.max(FLOOR, target === 1 ? x : 1 - x));
  const z = target === 1 ? x : -x;
  return Math.max(0, -z) + Math.log1p(Math.exp(-Math.abs(z)));
};

function oneOf(outputs: ArrayLike<number>, width: number, scale: Scale, row: number, target: number): number {
  const at = row * width;
  const x = outputs[at + target]!;
  if (scale === 'probabilities') return -Math.log(Math.max(FLOOR, x));
  if (scale === 'log-probabilities') return -x;
  let top = Number.NEGATIVE_INFINITY;
  for (let i = at; i < at + width; i++) top = Math.max(top, outputs[i]!);
  let sum = 0;
  for (let i = at; i < at + width; i++) sum += Math.exp(outputs[i]! - top);
  return top + Math.log(sum) - x;
}
