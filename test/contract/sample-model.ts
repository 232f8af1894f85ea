/** A one-node model of a row and one of its samples, with inputs drawn so that no kink or tie lies within a nudge. */

import { random } from '../../src/base/random.ts';
import type { Model } from '../../src/graph/model.ts';
import { sizeOf, type Tensor, tensor } from '../../src/graph/tensor.ts';
import { draft } from '../../src/ops/builder.ts';
import type { Row } from '../../src/ops/op.ts';
import type { Fill, Sample } from '../../src/ops/sample.ts';

export interface SampleModel {
  readonly model: Model;
  /** Float inputs to feed, by name; they are what slopes are taken of. */
  readonly feeds: Record<string, Tensor>;
  readonly outputs: readonly string[];
}

/** The opset that rows are written in, or the one that brought the op. */
const opsetsFor = ({ since = 21 }: Row) => ({
  '': since,
  'com.microsoft': 1,
  'com.microsoft.nchwc': 1,
  'ai.onnx.ml': 4,
});

const isTensor = (fill: unknown): fill is Tensor => typeof fill === 'object' && fill !== null && 'bytes' in fill;

/** Distinct values, evenly spaced in ±[0.2, 1.5], shuffled. */
function distinct(dims: readonly number[], seed: number): Float32Array {
  const count = sizeOf(dims);
  const source = random(seed, 'sample');
  const values = Float32Array.from(
    { length: count },
    (_, i) => (i % 2 ? 1 : -1) * (0.2 + (1.3 * (i + 1 + 0.173 * (seed % 5))) / (count + 1)),
  );
  return source.shuffle(values);
}

const draw = (fill: Fill, seed: number): Tensor => {
  if (isTensor(fill)) return fill;
  if ('dims' in fill) {
    const source = random(seed, 'between');
    return tensor(
      'float32',
      fill.dims,
      Float32Array.from({ length: sizeOf(fill.dims) }, () => fill.low + (fill.high - fill.low) * source.uniform()),
    );
  }
  return tensor('float32', fill, distinct(fill, seed));
};

export function sampleModel(row: Row, sample: Sample): SampleModel {
  const building = draft();
  const { g } = building;
  const feeds: Record<string, Tensor> = {};
  let seed = 1;
  const arrange = (slot: string, fill: Fill) => {
    const value = draw(fill, seed++);
    if (isTensor(fill)) return g.constant(value, slot);
    feeds[slot] = value;
    return g.input(slot, value.dtype, value.dims);
  };
  const operands = row.inputs.flatMap((slot) => {
    const name = slot.replace('...', '').replace('?', '');
    const fill = sample[name];
    if (fill === undefined) return [null];
    if (slot.startsWith('...')) return (fill as readonly Fill[]).map((one, i) => arrange(`${name}${i}`, one));
    return [arrange(name, fill as Fill)];
  });
  const made = g.emit(row.type, operands, (sample.attrs ?? {}) as never, {
    domain: row.domain,
    outputs: sample.outputs ?? 1,
    name: 'tested',
  });
  const outputs = made.map(({ name, dtype, dims }) => ({ name, type: { kind: 'tensor' as const, dtype, dims } }));
  const graph = building.finish(outputs);
  return {
    model: { ir: 10, opsets: opsetsFor(row), graph, producer: { name: 'test', version: '' }, metadata: {} },
    feeds,
    outputs: outputs.map(({ name }) => name),
  };
}

export const show = (sample: Sample): string =>
  JSON.stringify(sample, (_, value) => (isTensor(value) ? `${value.dtype}[${value.dims}]` : value)).replaceAll('"', '');
