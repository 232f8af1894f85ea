/**
 * Sums sent in 16 bits, half of the bytes. Each rank adds up one block of the numbers, in float32 and in the order of the ranks.
 *
 *   message of a block x:  e = ⌈log₂ max |x|⌉ − 14,  [x / 2ᵉ … , e]  in float16: the largest lies near 2¹⁴, whatever the size of the numbers
 *   blocks to their ranks (all-to-all) · sum · sums to all (all-gather)
 */

import { removeDead, valueInfo } from '../../graph/edit.ts';
import { elements, type Tensor, tensor, zeros } from '../../graph/tensor.ts';
import { type Builder, draft } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Lab, Session } from '../../runtime/index.ts';
import { engineBytes, withStatedOutputs } from '../../train/program.ts';
import type { Compression } from './compression.ts';

/** The largest number of a block becomes this power of two at most: float16 ends at 2¹⁶. */
const TOP = 14;
/** What is smaller than all that matters: keeps the exponent in range where a block is all zeros. */
const LEAST = 2 ** -100;
const EXPONENTS = { float32: 1, float16: 10 } as const;

/** [rows, n] float32 → [rows, n + 1] float16. */
function encode(g: Builder, x: StaticValue): StaticValue {
  const most = g.Max(g.ReduceMax(g.Abs(x), [1], { keepdims: 1 }), LEAST);
  const exponent = g.Sub(g.Ceil(g.Mul(g.Log(most), 1 / Math.LN2)), TOP);
  const scaled = g.Div(x, g.Pow(2, exponent));
  return g.Cast(g.Concat(scaled, exponent, { axis: 1 }), { to: EXPONENTS.float16 });
}

/** [rows, n + 1] float16 → [rows, n] float32. */
function decode(g: Builder, message: StaticValue): StaticValue {
  const n = message.dims[1]! - 1;
  const [scaled, exponent] = g.emit(
    'Split',
    [g.Cast(message, { to: EXPONENTS.float32 }), [n, 1]],
    { axis: 1 },
    { outputs: 2 },
  );
  return g.Mul(scaled, g.Pow(2, exponent));
}

/** A graph of one input and one output, loaded. */
async function load(
  dtype: 'float32' | 'float16',
  dims: readonly number[],
  make: (g: Builder, x: StaticValue) => StaticValue,
  lab: Lab,
): Promise<Session> {
  const building = draft();
  const { name } = make(building.g, building.g.input('x', dtype, dims));
  const graph = building.finish([valueInfo(name, 'float32', [])]);
  return lab.engine.load(engineBytes(withStatedOutputs(removeDead(graph))), {
    optimize: 'none',
    ...(lab.threads && { threads: lab.threads }),
  });
}

/** Half of the bytes; an error of 2⁻¹¹ of each number, and of 2⁻²⁹ of the largest one of its block, each way. */
export const fp16 = (): Compression => ({
  name: 'fp16',
  async start(length, collective, lab) {
    const { size, rank } = collective;
    // With its exponent a block fills whole float32 words, in which the collectives count.
    const wide = Math.ceil(length / size);
    const block = wide % 2 === 1 ? wide : wide + 1;
    const memory = (rows: number): { tensor: Tensor; words: Float32Array } => {
      const words = new Float32Array((rows * (block + 1)) / 2);
      return { words, tensor: tensor('float16', [rows, block + 1], new Uint16Array(words.buffer)) };
    };
    const [own, dealt, sums] = [memory(size), memory(size), memory(size)];
    const numbers = zeros('float32', [size, block]);
    const values = elements(numbers) as Float32Array;
    const part = (block + 1) / 2;
    const mine = sums.words.subarray(rank * part, (rank + 1) * part);
    const row = tensor('float16', [1, block + 1], new Uint16Array(mine.buffer, mine.byteOffset, block + 1));
    const sum = (g: Builder, x: StaticValue): StaticValue => encode(g, g.ReduceSum(decode(g, x), [0], { keepdims: 1 }));
    const sessions = await Promise.all([
      load('float32', [size, block], encode, lab),
      load('float16', [size, block + 1], sum, lab),
      load('float16', [size, block + 1], decode, lab),
    ]);
    const bound = ([session, from, to]: readonly [Session, Tensor, Tensor]) =>
      session.bind({ x: from }, { [session.outputs[0]!.name]: to });
    const [packing, adding, unpacking] = (
      [
        [sessions[0], numbers, own.tensor],
        [sessions[1], dealt.tensor, row],
        [sessions[2], sums.tensor, numbers],
      ] as const
    ).map(bound);
    return {
      bytes: 2 * 4 * part * (size - 1),
      async allReduce(given) {
        values.set(given);
        await packing!.run();
        await collective.allToAll(own.words, dealt.words);
        await adding!.run();
        await collective.allGather(sums.words);
        await unpacking!.run();
        given.set(values.subarray(0, length));
      },
      [Symbol.dispose]: () => {
        for (const each of [packing, adding, unpacking]) each![Symbol.dispose]();
        for (const each of sessions) each[Symbol.dispose]();
      },
    };
  },
});
