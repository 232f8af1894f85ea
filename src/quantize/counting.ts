/** Floats counted by their size in WebAssembly, four at a time: a loop in JavaScript takes four times as long, and makes garbage until it is compiled. */

import { type Code, F32, I32, moduleOf, op, V128 } from '../base/wasm.ts';
import type { Range } from './range.ts';

/** Values that are held at a time. */
const MOST = 2 ** 17;
const LANES = 4;

export interface Counter {
  /** Values that `hold` takes at the most. */
  readonly most: number;
  /** Holds these values until the next call; their least and largest, NaN for both where one of them is NaN. */
  hold(values: Float32Array): Range;
  /** Adds each value held to its bin, zeros to the first above 0; gives how many zeros there were. None may lie beyond the bins. */
  count(perWidth: number): number;
  /** Adds what was counted to `into`, and forgets it. */
  empty(into: Float64Array): void;
}

/** Counts into bins of one width, `bins` on each side of 0: floor(x · perWidth) is −bins to bins − 1. */
export function openCounter(bins: number): Counter {
  // Each lane counts in a table of its own, since neighbours often fall into the same bin: a sum waits for the last one to be stored.
  const table = 4 * 2 * bins;
  const results = LANES * table;
  const held = results + 32;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((held + 4 * MOST) / 65536) });
  const run = (body: Code, params: readonly number[], locals: readonly number[]) => {
    const module = new WebAssembly.Module(moduleOf({ params, locals, body, shared: false }));
    return new WebAssembly.Instance(module, { env: { memory } }).exports['run'] as (...numbers: number[]) => void;
  };
  const ends = run(ENDS, [I32, I32, I32], [V128, V128, V128]);
  const countAll = run(counted(table, bins), [I32, I32, I32, F32], [V128, V128, V128, V128, I32]);
  const values = new Float32Array(memory.buffer, held, MOST);
  const found = new Float32Array(memory.buffer, results, 2 * LANES);
  const zeros = new Int32Array(memory.buffer, results, LANES);
  const tables = new Uint32Array(memory.buffer, 0, results / 4);
  let length = 0;
  return {
    most: MOST,
    hold(x) {
      values.set(x);
      length = x.length;
      values.fill(x[length - 1]!, length, Math.ceil(length / LANES) * LANES);
      ends(held, held + 4 * length, results);
      const [a, b, c, d, e, f, g, h] = found as unknown as readonly [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      return { lo: Math.min(a, b, c, d) + 0, hi: Math.max(e, f, g, h) + 0 };
    },
    count(perWidth) {
      countAll(held, held + 4 * length, results, perWidth);
      const last = values[length - 1]!;
      const padding = (LANES - (length % LANES)) % LANES;
      const bin = Math.floor(last * perWidth) + bins;
      for (let lane = LANES - padding; lane < LANES; lane++) tables[lane * 2 * bins + bin]! -= 1;
      return zeros.reduce((sum, n) => sum + n, last === 0 ? -padding : 0);
    },
    empty(into) {
      for (let bin = 0; bin < 2 * bins; bin++) {
        let sum = 0;
        for (let at = bin; at < tables.length; at += 2 * bins) sum += tables[at]!;
        into[bin]! += sum;
      }
      tables.fill(0);
    },
  };
}

/** run(from, end, results): the least and the largest of each lane. */
const ENDS: Code = (() => {
  const [from, end, results, x, least, most] = [0, 1, 2, 3, 4, 5];
  return [
    [op.get(from), op.v128Load(0), op.tee(least), op.set(most)],
    op.loopWhile(
      [op.get(from), op.get(end), op.i32LtU],
      [
        [op.get(from), op.v128Load(0), op.set(x)],
        [op.get(least), op.get(x), op.f32x4.min, op.set(least)],
        [op.get(most), op.get(x), op.f32x4.max, op.set(most)],
        [op.get(from), op.i32(16), op.i32Add, op.set(from)],
      ],
    ),
    [op.get(results), op.get(least), op.v128Store(0)],
    [op.get(results), op.get(most), op.v128Store(16)],
  ];
})();

/** run(from, end, results, perWidth): adds to the tables; the zeros of each lane. */
function counted(table: number, bins: number): Code {
  const [from, end, results, perWidth, x, bin, zeros, scale, at] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const addOne = (lane: number): Code => [
    [op.get(bin), op.i32x4Lane(lane), op.tee(at)],
    [op.get(at), op.i32Load(lane * table), op.i32(1), op.i32Add, op.i32Store(lane * table)],
  ];
  return [
    [op.get(perWidth), op.f32x4Splat, op.set(scale)],
    op.loopWhile(
      [op.get(from), op.get(end), op.i32LtU],
      [
        [op.get(from), op.v128Load(0), op.set(x)],
        [op.get(x), op.get(scale), op.f32x4.mul, op.f32x4Floor, op.i32x4FromF32x4, op.set(bin)],
        // What is below 0 and too small for a product falls into the first bin below 0 as well: −1 is all bits set.
        [
          op.get(bin),
          op.get(x),
          op.v128Zero,
          op.f32x4Lt,
          op.get(bin),
          op.v128Zero,
          op.i32x4Eq,
          op.v128And,
          op.i32x4Add,
        ],
        [op.i32(2), op.i32x4Shl, op.i32(4 * bins), op.i32x4Splat, op.i32x4Add, op.set(bin)],
        [op.get(zeros), op.get(x), op.v128Zero, op.f32x4Eq, op.i32x4Sub, op.set(zeros)],
        [0, 1, 2, 3].map(addOne),
        [op.get(from), op.i32(16), op.i32Add, op.set(from)],
      ],
    ),
    [op.get(results), op.get(zeros), op.v128Store(0)],
  ];
}
