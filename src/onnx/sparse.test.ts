import { describe, expect, it } from 'vitest';
import { checkGraph } from '../graph/check.ts';
import { float32, floats } from '../graph/tensor.ts';
import { readModel, writeModel } from './index.ts';

const bytesOf = (...parts: readonly (readonly number[] | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));
/** A length-delimited field of less than 128 bytes. */
const field = (number: number, ...parts: readonly (readonly number[] | Uint8Array)[]): Uint8Array => {
  const body = bytesOf(...parts);
  return bytesOf([number * 8 + 2, body.length], body);
};
const text = (number: number, value: string) => field(number, new TextEncoder().encode(value));
const raw = (values: Float32Array | BigInt64Array) => new Uint8Array(values.buffer);
const values = (...list: number[]) =>
  field(1, [8, list.length, 16, 1], text(8, 'w'), field(9, raw(Float32Array.from(list))));
const indices = (dims: number[], ...list: bigint[]) =>
  field(
    2,
    dims.flatMap((dim) => [8, dim]),
    [16, 7],
    field(9, raw(BigInt64Array.from(list))),
  );

/** y = x + w, with w [2, 3] a sparse initialiser. */
const model = (...sparse: Uint8Array[]): Uint8Array => {
  const node = field(1, text(1, 'x'), text(1, 'w'), text(2, 'y'), text(4, 'Add'));
  const port = (number: number, name: string) => field(number, text(1, name));
  const graph = field(7, node, text(2, 'g'), field(15, ...sparse, [24, 2, 24, 3]), port(11, 'x'), port(12, 'y'));
  return bytesOf([8, 8], graph, field(8, [16, 17]));
};

describe('sparse initialisers', () => {
  it.each([
    ['places in order', indices([2], 1n, 5n)],
    ['coordinates', indices([2, 2], 0n, 1n, 1n, 2n)],
  ])('are read by %s, and the model is valid', (_, places) => {
    const read = readModel(model(values(7, 8), places));
    checkGraph(read);
    expect([...floats(read.graph.initializers.get('w')!)]).toEqual([0, 7, 0, 0, 0, 8]);
  });

  it('are written back as they were while nobody changes them, and dense under another name', () => {
    const bytes = model(values(7, 8), indices([2], 1n, 5n));
    const read = readModel(bytes);
    const again = writeModel({ ...read, graph: { ...read.graph, doc: 'edited' } });
    expect(
      Buffer.from(again).includes(Buffer.from(field(15, values(7, 8), indices([2], 1n, 5n), [24, 2, 24, 3]))),
    ).toBe(true);
    const initializers = new Map([['v', read.graph.initializers.get('w')!]]);
    const renamed = readModel(writeModel({ ...read, graph: { ...read.graph, initializers } }));
    expect(renamed.graph.initializers.get('v')).toEqual(float32([2, 3], [0, 7, 0, 0, 0, 8]));
  });

  it('are refused where a value has no place', () => {
    expect(() => readModel(model(values(7, 8)))).toThrow(/places/);
    expect(() => readModel(model(values(7, 8), indices([1], 1n)))).toThrow(/places/);
    const outside = readModel(model(values(7, 8), indices([2], 1n, 6n)));
    expect(() => outside.graph.initializers.get('w')!.bytes).toThrow(/6 of 6 places/);
  });
});
