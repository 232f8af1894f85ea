import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHalf } from '../graph/tensor.ts';
import { fromArrays } from './arrays.ts';
import { classesOf } from './dataset.ts';
import { readNpy, readNpz } from './npy.ts';
import { readSafetensors } from './safetensors.ts';

/** Made by test/oracle/data.py with NumPy. */
const truth = JSON.parse(readFileSync(new URL('../../test/oracle/data.json', import.meta.url), 'utf8'));
const bytes = (text: string): Uint8Array => Buffer.from(text, 'base64');

describe('readNpy', () => {
  for (const { name, file, dims, values } of truth.npy) {
    it(`reads ${name} as NumPy wrote it`, () => {
      const array = readNpy(bytes(file), name);
      const decoded = Array.from(array.data as ArrayLike<number | bigint>, (value) =>
        array.dtype === 'float16' ? fromHalf(Number(value)) : Number(value),
      );
      expect([array.dims, decoded]).toEqual([dims, values]);
    });
  }

  for (const { name, file, values } of truth.texts) {
    it(`reads texts (${name}) as their places among those there are`, () => {
      const { data, classes } = readNpy(bytes(file), name);
      expect(classes).toEqual(['Bath', 'Rome', 'Łódź']);
      expect([...(data as BigInt64Array)].map((place) => classes![Number(place)])).toEqual(values);
    });
  }

  it('refuses objects, complex numbers, cut files and other files', () => {
    expect(() => readNpy(bytes(truth.refused.object), 'object.npy')).toThrow('not an array that Pare reads');
    expect(() => readNpy(bytes(truth.refused.complex), 'complex.npy')).toThrow('not an array that Pare reads');
    expect(() => readNpy(bytes(truth.npy[0].file).subarray(0, 150), 'cut.npy')).toThrow('not an array that Pare reads');
    expect(() => readNpy(Buffer.from('hello, world!'), 'hello.npy')).toThrow('not an array that Pare reads');
    expect(() => readNpz(Buffer.from('hello'), 'hello.npz')).toThrow('not a zip of arrays');
  });
});

describe('readSafetensors', () => {
  const file = (header: object, values: Uint8Array): Uint8Array => {
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([length, json, values]);
  };

  it('reads arrays by name', () => {
    const values = Buffer.alloc(10);
    values.writeFloatLE(2.5, 0);
    values.writeInt16LE(-3, 4);
    values.writeUInt16LE(0x3c00, 6);
    values.writeUInt16LE(0x4000, 8);
    const arrays = readSafetensors(
      file(
        {
          __metadata__: { by: 'hand' },
          a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] },
          b: { dtype: 'I16', shape: [1, 1], data_offsets: [4, 6] },
          c: { dtype: 'F16', shape: [1, 2], data_offsets: [6, 10] },
        },
        values,
      ),
      'x.safetensors',
    );
    expect([...arrays['a']!.data]).toEqual([2.5]);
    expect(arrays['b']).toMatchObject({ dtype: 'int16', dims: [1, 1] });
    const into = new Float32Array(2);
    fromArrays('x', { c: arrays['c']! }).train.fill('c', [0], into);
    expect([...into]).toEqual([1, 2]);
  });

  it('refuses headers that lie', () => {
    const one = { dtype: 'F32', shape: [2], data_offsets: [0, 4] };
    expect(() => readSafetensors(file({ a: one }, Buffer.alloc(4)), 'x')).toThrow('not a safetensors file');
    expect(() => readSafetensors(file({ a: { ...one, dtype: 'F4' } }, Buffer.alloc(8)), 'x')).toThrow();
    expect(() => readSafetensors(Buffer.from('{"a": 1, "b": 2}'), 'x')).toThrow('not a safetensors file');
  });
});

describe('fromArrays', () => {
  it('numbers targets that are texts alike in all parts', () => {
    const x = { dtype: 'float32', dims: [2], data: Float32Array.of(1, 2) } as const;
    const texts = (...all: string[]) => {
      const classes = [...new Set(all)].sort();
      const data = BigInt64Array.from(all, (text) => BigInt(classes.indexOf(text)));
      return { dtype: 'int64', dims: [all.length], data, classes } as const;
    };
    const { train, test } = fromArrays('towns', {
      x_train: x,
      y_train: texts('Rome', 'Oslo'),
      x_test: x,
      y_test: texts('Rome', 'Rome'),
    });
    expect([train.classes, test!.classes]).toEqual([
      ['Oslo', 'Rome'],
      ['Oslo', 'Rome'],
    ]);
    expect([[...classesOf(train)], [...classesOf(test!)]]).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(() => fromArrays('towns', { x: texts('a', 'b'), y: x })).toThrow('holds texts');
  });

  it('takes labels or y as targets and the rest as inputs', () => {
    const { train } = fromArrays('a.npz', readNpz(bytes(truth.npz), 'a.npz'));
    expect(train.inputs).toEqual({ a: { dtype: 'float32', dims: [3, 4] } });
    expect([...classesOf(train)]).toEqual([1, 0]);
  });

  it('takes x_train, y_train, x_test, y_test as splits, and bytes as images when asked', () => {
    const x = { dtype: 'uint8', dims: [2, 2], data: Uint8Array.of(0, 255, 51, 0) } as const;
    const y = { dtype: 'float64', dims: [2, 1], data: Float64Array.of(0.5, 1) } as const;
    const { train, test } = fromArrays('b', { x_train: x, y_train: y, x_test: x, y_test: y }, { preset: 'unit' });
    expect([train.task, train.labels, test!.size]).toEqual(['regression', { dtype: 'float32', dims: [1] }, 2]);
    const into = new Float32Array(2);
    train.fill('x', [1], into);
    expect(into).toEqual(Float32Array.of(51 / 255, 0));
  });

  it('takes rows with a single 1 as classes, other rows as numbers', () => {
    const x = { dtype: 'float32', dims: [2, 1], data: Float32Array.of(1, 2) } as const;
    const y = (...data: number[]) => ({ dtype: 'float32', dims: [2, 3], data: Float32Array.from(data) }) as const;
    expect([...classesOf(fromArrays('hot', { x, y: y(0, 0, 1, 1, 0, 0) }).train)]).toEqual([2, 0]);
    for (const rows of [y(0, 0, 1, 1, 1, 0), y(0, 0, 0, 1, 0, 0), y(0, 0, 2, 1, 0, 0)]) {
      expect(fromArrays('n', { x, y: rows }).train.task).toBe('regression');
    }
  });

  it('says what is missing', () => {
    const one = { dtype: 'int32', dims: [2], data: Int32Array.of(1, 2) } as const;
    expect(() => fromArrays('n', { y: one })).toThrow('nothing to feed');
    expect(() => fromArrays('n', { x: one }, { label: 'z' })).toThrow('no array "z"');
    expect(() => fromArrays('n', { x: one, y: { ...one, dims: [1], data: Int32Array.of(1) } })).toThrow(
      '2 samples of x but 1',
    );
    expect(() => fromArrays('n', { x: one, y: { ...one, dims: [], data: Int32Array.of(1) } })).toThrow('no axis');
    expect(() => fromArrays('n', {})).toThrow('holds no arrays');
  });
});
