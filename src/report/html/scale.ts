/** Axes: round numbers that span what is shown, and where a value stands on them. */

export interface Axis {
  readonly low: number;
  readonly high: number;
  /** From low to high, equally far apart. */
  readonly ticks: readonly number[];
}

/**
 * An axis of about `count` steps of 1, 2 or 5 times a power of ten around the values.
 *
 * @example
 * axisOf([0.971, 0.989]).ticks // 0.97, 0.975, 0.98, 0.985, 0.99
 */
export function axisOf(values: readonly number[], count = 4): Axis {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return { low: 0, high: 1, ticks: [0, 1] };
  const [least, most] = [Math.min(...finite), Math.max(...finite)];
  const span = most - least || Math.abs(most) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((times) => times * power >= rough * 0.999) ?? 10);
  const [first, last] = [Math.floor(least / step + 1e-9), Math.ceil(most / step - 1e-9)];
  // One value on a tick: towards zero, since shares end at 1.
  const isPoint = last <= first;
  const from = isPoint && least > 0 ? first - 1 : first;
  const to = isPoint && least <= 0 ? first + 1 : last;
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * step).toPrecision(12)));
  return { low: ticks[0]!, high: ticks.at(-1)!, ticks };
}

/** Where x stands between two pixels. */
export const place = (x: number, { low, high }: Pick<Axis, 'low' | 'high'>, from: number, to: number): number =>
  round(from + ((x - low) / (high - low || 1)) * (to - from));

/** A tenth of a pixel is fine enough. */
export const round = (x: number): number => Math.round(x * 10) / 10;
