/** Where data meets a model: the model's inputs as ports, and a data set under their names, shapes and types. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { type DType, factsOf, type TypedArray } from '../graph/dtype.ts';
import { type Dim, feedsOf, type Graph, tensorType } from '../graph/model.ts';
import { fromHalf, sizeOf, toHalf } from '../graph/tensor.ts';
import { type Column, type Dataset, LABELS } from './dataset.ts';
import { settingColumn, settingOf } from './setting.ts';

/** An input of a model; `dims` begin with the batch axis, whatever it is called or fixed to, unless `batchAxis` says otherwise. */
export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly Dim[];
  /** Default 0. */
  readonly batchAxis?: number;
}

/** The dimensions of one sample. */
export const sampleDimsOf = ({ dims, batchAxis = 0 }: Port): Dim[] => dims.filter((_, axis) => axis !== batchAxis);

/** Ports whose first axis is a size, and that have another one's batch further behind (a state [layers, batch, width]), say where. */
export function withBatchAxes<P extends Pick<Port, 'dims'>>(ports: readonly P[]): (P & { batchAxis?: number })[] {
  const batches = new Set(ports.flatMap(({ dims: [first] }) => (typeof first === 'string' ? [first] : [])));
  return ports.map((port) => {
    const at = port.dims.findIndex((dim) => typeof dim === 'string' && batches.has(dim));
    return at > 0 && typeof port.dims[0] === 'number' ? { ...port, batchAxis: at } : port;
  });
}

/** The inputs of this graph that must be fed. Throws data/port for one whose type the file does not state. */
export function portsOf(graph: Graph): Port[] {
  const ports = feedsOf(graph).map((info) => {
    const type = tensorType(info);
    if (type?.dims) return { name: info.name, dtype: type.dtype, dims: type.dims };
    throw new PareError('data/port', `The type of the model's input "${info.name}" is not known.`, {
      where: info.name,
      expected: 'a tensor with known rank',
    });
  });
  return withBatchAxes(ports);
}

/** The batch that the model insists on, or undefined when any will do: where one input begins with an open axis, any will. */
export function fixedBatch(graph: Graph): number | undefined {
  const firsts = feedsOf(graph).flatMap((info) => tensorType(info)?.dims?.slice(0, 1) ?? []);
  return firsts.every((dim) => typeof dim === 'number') ? firsts[0] : undefined;
}

/**
 * The data set under the model's own names: each port takes the input of its name, a lone port the only input there is (or the
 * only one that holds token ids).
 *
 * Ports without axes that the set knows nothing of get a setting (`settingOf`).
 *
 * A sample is reshaped where axes of it, or of the port, only fall apart ([784] for [1, 28, 28]), and images get their channels where
 * the port has them; types are converted.
 *
 * Throws   data/inputs when a port finds no input; data/shape when the sample does not fit it.
 */
export function bind(dataset: Dataset, ports: readonly Port[]): Dataset {
  const names = Object.keys(dataset.inputs);
  const source = new Map<string, string>();
  const turns = new Map<string, Turn>();
  const inputs: Record<string, Column> = {};
  const candidates = names.length === 1 ? names : names.filter((name) => dataset.inputs[name]!.tokens !== undefined);
  const samplePorts = ports.filter(({ dims }) => dims.length > 0).length;
  const only = candidates.length === 1 ? candidates[0] : undefined;
  for (const port of ports) {
    const from = names.includes(port.name) ? port.name : samplePorts === 1 ? only : undefined;
    if (port.dims.length === 0 && !names.includes(port.name)) {
      inputs[port.name] = settingColumn(port);
      continue;
    }
    if (from === undefined) {
      const near = nearest(port.name, names);
      throw new PareError('data/inputs', `"${dataset.name}" has nothing to feed to the model's input "${port.name}".`, {
        where: dataset.name,
        expected: ports.map(({ name }) => name).join(', '),
        got: names.join(', '),
        ...(near && { hint: `is "${near}" meant for it?` }),
      });
    }
    const whole = dataset.inputs[from]!.whole || (port.dims.length === 0 && isOneSetting(dataset, from, port));
    const { dims, turn } = sampleDims(dataset, from, port);
    const { batchAxis } = port;
    inputs[port.name] = { dtype: port.dtype, dims, ...(whole ? { whole } : batchAxis !== undefined && { batchAxis }) };
    source.set(port.name, from);
    if (turn) turns.set(port.name, turn);
  }
  return {
    ...dataset,
    inputs,
    fill(column, asked, into) {
      const indices = inputs[column]?.whole ? [0] : asked;
      if (inputs[column]?.whole && !source.has(column)) {
        recast([settingOf({ name: column, dtype: inputs[column].dtype })], 'float32', into, inputs[column].dtype);
        return;
      }
      const from = source.get(column) ?? (column === LABELS ? LABELS : undefined);
      if (from === undefined) return dataset.fill(column, indices, into); // which says that there is no such column
      const given = from === LABELS ? dataset.labels : dataset.inputs[from];
      const wanted = from === LABELS ? dataset.labels : inputs[column];
      const turn = turns.get(column);
      const isApart = wanted !== undefined && wanted.batchAxis !== given?.batchAxis && indices.length > 1;
      if (!given || !wanted || (given.dtype === wanted.dtype && !turn && !isApart))
        return dataset.fill(from, indices, into);
      const scratch = new (factsOf(given.dtype).array as unknown as new (length: number) => TypedArray)(into.length);
      dataset.fill(from, indices, scratch);
      const whole = turn ? turned(scratch, given.dims, turn) : scratch;
      recast(isApart ? apart(whole, wanted, indices.length) : whole, given.dtype, into, wanted.dtype);
    },
    ...(dataset.atEpoch && { atEpoch: (epoch: number) => bind(dataset.atEpoch!(epoch), ports) }),
  };
}

/**
 * Whether all samples say the same for an input without axes, which a run of several takes once.
 *
 * Throws   data/shape where they differ.
 */
function isOneSetting(dataset: Dataset, from: string, { name }: Port): true {
  const all = new Float64Array(dataset.size);
  const { dtype } = dataset.inputs[from]!;
  const values = new (factsOf(dtype).array as unknown as new (length: number) => TypedArray)(dataset.size);
  dataset.fill(
    from,
    Array.from(all, (_, i) => i),
    values,
  );
  recast(values, dtype, all, 'float64');
  const other = all.find((value) => value !== all[0]);
  if (other === undefined) return true;
  throw new PareError(
    'data/shape',
    `The model's input "${name}" has no axes: a run takes one number for all of its samples.`,
    {
      where: dataset.name,
      expected: `a single number as "${from}" (shape [])`,
      got: `${dataset.size} numbers, ${all[0]} and ${other} among them`,
      hint: 'a data set for each of its values',
    },
  );
}

/** Which way the channels of an image move. */
type Turn = 'first' | 'last';

function sampleDims(
  dataset: Dataset,
  from: string,
  port: Port,
): { readonly dims: readonly number[]; readonly turn?: Turn } {
  const { dims, whole } = dataset.inputs[from]!;
  const wanted = sampleDimsOf(port);
  const suits = (given: readonly number[]): boolean =>
    wanted.length === given.length && wanted.every((dim, axis) => typeof dim !== 'number' || dim === given[axis]);
  if (suits(dims) || whole) return { dims };
  if (dims.length === 3) {
    const [a, b, c] = dims as [number, number, number];
    if (suits([c, a, b])) return { dims: [c, a, b], turn: 'first' };
    if (suits([b, c, a])) return { dims: [b, c, a], turn: 'last' };
  }
  const known = wanted.filter((dim) => typeof dim === 'number');
  if (known.length === wanted.length && (fallsApart(dims, known) || fallsApart(known, dims))) return { dims: known };
  throw new PareError('data/shape', `A sample of "${dataset.name}" does not fit the model's input "${port.name}".`, {
    where: port.name,
    expected: `[${wanted.map((dim) => dim ?? '?').join(', ')}]`,
    got: `[${dims.join(', ')}]`,
  });
}

/** Whether each axis of `whole` is the product of neighbouring axes of `parts`, in order; axes of one do not count. */
function fallsApart(whole: readonly number[], parts: readonly number[]): boolean {
  if (sizeOf(whole) !== sizeOf(parts)) return false;
  let at = 0;
  return whole.every((dim) => {
    let product = 1;
    while (product < dim && at < parts.length) product *= parts[at++]!;
    return product === dim;
  });
}

/** Samples [rows, columns] by their transposes: channels are the columns, or the rows. */
function turned(samples: TypedArray, dims: readonly number[], turn: Turn): TypedArray {
  const size = sizeOf(dims);
  const channels = turn === 'first' ? dims.at(-1)! : dims[0]!;
  const rows = turn === 'first' ? size / channels : channels;
  const columns = size / rows;
  const out = samples.slice();
  for (let start = 0; start < samples.length; start += size) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        out[start + column * rows + row] = samples[start + row * columns + column]!;
      }
    }
  }
  return out;
}

/** Samples that lie one after the other, with their batch axis where the column wants it. */
export function apart(samples: TypedArray, { dims, batchAxis = 0 }: Column, count: number): TypedArray {
  const out = samples.slice();
  const [outer, inner] = [sizeOf(dims.slice(0, batchAxis)), sizeOf(dims.slice(batchAxis))];
  for (let sample = 0; sample < count; sample++) {
    for (let row = 0; row < outer; row++) {
      const from = (sample * outer + row) * inner;
      out.set(samples.subarray(from, from + inner) as never, (row * count + sample) * inner);
    }
  }
  return out;
}

/** Numbers of one type written as another. */
export function recast(from: ArrayLike<number | bigint>, given: DType, into: TypedArray, wanted: DType): void {
  const big = into instanceof BigInt64Array || into instanceof BigUint64Array;
  for (let i = 0; i < into.length; i++) {
    const value = given === 'float16' ? fromHalf(Number(from[i]!)) : Number(from[i]!);
    into[i] = big ? BigInt(Math.trunc(value)) : wanted === 'float16' ? toHalf(value) : value;
  }
}
