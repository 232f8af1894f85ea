/** Random inputs of the right shapes and types: good for structure and speed, worthless for accuracy. */

import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import { type DType, factsOf, isFloat, type TypedArray } from '../graph/dtype.ts';
import { sizeOf, toHalf } from '../graph/tensor.ts';
import { type Column, checkFill, type Dataset, noColumn } from './dataset.ts';
import { apart, type Port, recast, sampleDimsOf } from './port.ts';
import { settingColumn, settingOf } from './setting.ts';

export interface NoiseOptions {
  /** Number of samples. Default 256. */
  readonly size?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Lengths of the axes that the model leaves open, by their symbol. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Length of the open axes not named in `dims`. Default 16. */
  readonly open?: number;
  /** Integers are drawn from 0 to below this (they may be rows of a table in the model). Default 2. */
  readonly below?: number;
}

/** Length of the open axes that nobody names. */
const OPEN = 16;

/** What was made of axes that the model leaves open and nobody named, in words; none where there are none. */
export function openAxes(ports: readonly Port[], { dims = {}, open = OPEN }: NoiseOptions): string[] {
  const symbols = new Set(ports.flatMap(sampleDimsOf).filter((dim) => typeof dim === 'string'));
  const [first, ...more] = [...symbols].filter((symbol) => dims[symbol] === undefined);
  if (first === undefined) return [];
  return [`${[first, ...more].join(' and ')} taken as ${open} (--dim ${first}=… sets it)`];
}

const ABOUT: Partial<Record<DType, true>> = {
  float32: true, float64: true, float16: true, int64: true, int32: true, int16: true, int8: true,
  uint8: true, uint16: true, uint32: true, uint64: true, bool: true,
}; // biome-ignore format: a table

/**
 * A set without labels whose sample i depends on (seed, port, i) only, and is made when it is asked for.
 *
 * Floats are standard normal, integers and booleans uniform.
 *
 * Inputs without axes get one value for all samples (`settingOf`).
 *
 * Throws   data/port for a port of a type that cannot be drawn.
 */
export function noise(ports: readonly Port[], options: NoiseOptions = {}): Dataset {
  const { size = 256, seed = 0, open = OPEN, below = 2 } = options;
  const inputs: Record<string, Column> = {};
  for (const port of ports) {
    const { name, dtype, dims, batchAxis } = port;
    if (!ABOUT[dtype]) {
      throw new PareError('data/port', `Random samples cannot feed the model's input "${name}".`, {
        where: name,
        expected: 'numbers',
        got: `${dtype} [${dims.join(', ')}]`,
      });
    }
    const length = (dim: Port['dims'][number]): number =>
      typeof dim === 'number' ? dim : ((dim === null ? undefined : options.dims?.[dim]) ?? open);
    const drawn = { dtype, dims: sampleDimsOf(port).map(length), ...(batchAxis !== undefined && { batchAxis }) };
    if (dims.length > 0) inputs[name] = drawn;
    else inputs[name] = settingColumn({ name, dtype, dims });
  }
  return {
    name: 'random',
    size,
    inputs,
    task: 'unlabelled',
    fill(name, indices, into) {
      const column = inputs[name];
      if (!column) throw noColumn('random', name, Object.keys(inputs));
      checkFill('random', name, column, size, indices, into);
      if (column.whole) {
        recast([settingOf({ name, dtype: column.dtype })], 'float32', into, column.dtype);
        return;
      }
      const sample = sizeOf(column.dims);
      for (let i = 0; i < indices.length; i++) {
        draw(column.dtype, into, i * sample, sample, random(seed, `random/${name}/${indices[i]}`), below);
      }
      if (column.batchAxis !== undefined) into.set(apart(into, column, indices.length) as never);
    },
  };
}

function draw(
  dtype: DType,
  into: TypedArray,
  from: number,
  count: number,
  r: ReturnType<typeof random>,
  below: number,
): void {
  const big = factsOf(dtype).bits === 64 && !isFloat(dtype);
  for (let at = from; at < from + count; at++) {
    if (isFloat(dtype)) into[at] = dtype === 'float16' ? toHalf(r.normal()) : r.normal();
    else {
      const value = r.integer(dtype === 'bool' ? 2 : below);
      into[at] = big ? BigInt(value) : value;
    }
  }
}
