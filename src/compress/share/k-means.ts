/**
 * k-means of numbers on a line: sorted once, so that clusters are stretches and a step is a walk along them.
 *
 *   minimise Σ_i w_i (x_i − c_(a_i))²,   Lloyd's steps from quantiles until nothing moves
 *
 * Source   Lloyd 1982, IEEE Trans. Inf. Theory 28, 129; weights by squared slopes as in Kim et al. 2024,
 *          "SqueezeLLM", arXiv:2306.07629.
 */

export interface Palette {
  /** Ascending; no more than asked for, fewer when there are fewer different numbers. */
  readonly colours: Float64Array;
  /** The colour of each number. */
  readonly indices: Uint16Array;
  /** √(Σ difference² / Σ x²). */
  readonly error: number;
}

const STEPS = 100;

/** The best `count` colours for these numbers (up to 65536), started at quantiles and at even steps, the better one. */
export function kMeans(values: ArrayLike<number>, count: number, weights?: ArrayLike<number>): Palette {
  const order = Uint32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const x = Float64Array.from(order, (i) => values[i]!);
  const w = Float64Array.from(order, (i) => weights?.[i] ?? 1);
  const n = x.length;
  // Sums over any stretch follow from sums up to its ends.
  const mass = new Float64Array(n + 1);
  const moment = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) {
    mass[i + 1] = mass[i]! + w[i]!;
    moment[i + 1] = moment[i]! + w[i]! * x[i]!;
  }
  const [low, high] = [x[0]!, x[n - 1]!];
  const starts = [
    Float64Array.from({ length: count }, (_, k) => x[Math.min(n - 1, Math.floor(((k + 0.5) * n) / count))]!),
    Float64Array.from({ length: count }, (_, k) => low + ((k + 0.5) * (high - low)) / count),
  ];
  const ends = starts.map((start) => settle(start, x, mass, moment));
  const costs = ends.map((colours) => cost(colours, x, w));
  const colours = Float64Array.from(new Set(ends[costs[1]! < costs[0]! ? 1 : 0]));
  const indices = new Uint16Array(n);
  const borders = bordersOf(colours, x);
  let off = 0;
  let all = 0;
  for (let k = 0; k < colours.length; k++) {
    for (let i = borders[k]!; i < borders[k + 1]!; i++) {
      indices[order[i]!] = k;
      off += (x[i]! - colours[k]!) ** 2;
      all += x[i]! ** 2;
    }
  }
  return { colours, indices, error: Math.sqrt(off / Math.max(all, Number.MIN_VALUE)) };
}

/** Lloyd's steps until no colour moves. */
function settle(start: Float64Array, x: Float64Array, mass: Float64Array, moment: Float64Array): Float64Array {
  let colours = start;
  for (let step = 0; step < STEPS; step++) {
    const borders = bordersOf(colours, x);
    const next = colours.map((colour, k) => {
      const weight = mass[borders[k + 1]!]! - mass[borders[k]!]!;
      return weight > 0 ? (moment[borders[k + 1]!]! - moment[borders[k]!]!) / weight : colour;
    });
    if (next.every((colour, k) => colour === colours[k])) break;
    colours = next.sort();
  }
  return colours;
}

/** Where each colour's stretch of the sorted numbers begins; one more entry for the end. */
function bordersOf(colours: Float64Array, x: Float64Array): Uint32Array {
  const borders = new Uint32Array(colours.length + 1);
  borders[colours.length] = x.length;
  for (let k = 1; k < colours.length; k++) {
    const middle = (colours[k - 1]! + colours[k]!) / 2;
    let [a, b] = [borders[k - 1]!, x.length];
    while (a < b) {
      const half = (a + b) >> 1;
      if (x[half]! < middle) a = half + 1;
      else b = half;
    }
    borders[k] = a;
  }
  return borders;
}

function cost(colours: Float64Array, x: Float64Array, w: Float64Array): number {
  const borders = bordersOf(colours, x);
  let sum = 0;
  for (let k = 0; k < colours.length; k++)
    for (let i = borders[k]!; i < borders[k + 1]!; i++) sum += w[i]! * (x[i]! - colours[k]!) ** 2;
  return sum;
}
