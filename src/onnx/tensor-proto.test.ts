import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DType } from '../graph/dtype.ts';
import { float32, numbers, tensor } from '../graph/tensor.ts';
import { readTensorProto, writeTensorProto } from './tensor-proto.ts';

/** Written by the onnx package (test/oracle/onnx-tensors.py). */
interface Row {
  dtype: DType;
  dims: number[];
  typed: string;
  raw: string | null;
  bytes: string | null;
  strings?: string[];
}
const rows: Row[] = JSON.parse(readFileSync(new URL('../../test/oracle/onnx-tensors.json', import.meta.url), 'utf8'));
const base64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replace(/\s/g, ''), 'hex'));

describe.each(rows)('a $dtype tensor of the onnx package', ({ dtype, dims, typed, raw, bytes, strings }) => {
  it('has the same elements from typed fields and from raw data', () => {
    for (const message of [typed, raw]) {
      if (message === null) continue;
      const { name, tensor: read } = readTensorProto(base64(message));
      expect([name, read.dtype, read.dims]).toEqual(['w', dtype, dims]);
      if (strings) expect(read.strings).toEqual(strings);
      else expect(Buffer.from(read.bytes)).toEqual(Buffer.from(bytes!, 'base64'));
    }
  });

  it('is written unchanged when it is unchanged, and as the onnx package writes it when it is new', () => {
    const { tensor: read } = readTensorProto(base64(typed));
    expect(writeTensorProto('w', read)).toEqual(base64(typed));
    const fresh = writeTensorProto('w', { ...read });
    const again = readTensorProto(fresh).tensor;
    expect(again).toEqual({ ...read });
    if (raw) expect([...fresh].sort()).toEqual([...base64(raw)].sort());
  });

  it('keeps its encoding under another name', () => {
    const { tensor: read } = readTensorProto(base64(typed));
    const other = readTensorProto(writeTensorProto('another', read));
    expect(other.name).toBe('another');
    expect({ ...other.tensor }).toEqual({ ...read });
  });
});

describe('TensorProto by hand', () => {
  it('reads unpacked and packed numbers alike', () => {
    // dims 2, data_type 1, float_data 1 and 2: field 4 as two fixed32 (tag 25), then as one packed run (tag 22).
    const unpacked = hex('08 02 10 01 25 0000803f 25 00000040');
    const packed = hex('08 02 10 01 22 08 0000803f 00000040');
    for (const bytes of [unpacked, packed]) expect(numbers(readTensorProto(bytes).tensor)).toEqual([1, 2]);
  });

  it('reads float16 from the low bits of int32_data, packed and not', () => {
    // 1.0 = 0x3c00 = varint 80 78; -2.0 = 0xc000 = varint 80 80 03.
    expect(numbers(readTensorProto(hex('08 02 10 0a 2a 05 8078 808003')).tensor)).toEqual([1, -2]);
    expect(numbers(readTensorProto(hex('08 02 10 0a 28 8078 28 808003')).tensor)).toEqual([1, -2]);
  });

  it('reads int4 two to an entry, the first in the low half', () => {
    // -1 and 7: 0x7f = varint 7f; the third element, -8, alone: 0x08.
    expect(numbers(readTensorProto(hex('08 03 10 16 2a 02 7f 08')).tensor)).toEqual([-1, 7, -8]);
  });

  it('reads negative numbers in ten bytes', () => {
    expect(numbers(readTensorProto(hex('08 01 10 07 3a 0a ffffffffffffffffff01')).tensor)).toEqual([-1]);
    expect(numbers(readTensorProto(hex('08 01 10 03 28 80ffffffffffffffff01')).tensor)).toEqual([-128]);
  });

  it('does not copy raw data', () => {
    const bytes = writeTensorProto('w', float32([2], [1, 2]));
    const { tensor: read } = readTensorProto(bytes);
    expect(read.bytes.buffer).toBe(bytes.buffer);
  });

  it('refuses data that does not fill the dimensions, when it is touched', () => {
    const { tensor: read } = readTensorProto(hex('08 80808001 10 01 25 0000803f'));
    expect(() => read.bytes).toThrowError(expect.objectContaining({ code: 'tensor/size' }));
    expect(() => writeTensorProto('w', { ...float32([2], [1, 2]), dims: [3] })).toThrowError(
      expect.objectContaining({ code: 'tensor/size' }),
    );
  });

  it('names an element type of the future', () => {
    expect(() => readTensorProto(hex('10 7f'))).toThrowError(expect.objectContaining({ code: 'onnx/dtype' }));
  });

  it('writes text that has no UTF-8 form as U+FFFD', () => {
    const read = readTensorProto(writeTensorProto('', tensor('string', [3], ['a\ud800b', '\udc00', '\ud83d\ude00'])));
    expect(read.tensor.strings).toEqual(['a\ufffdb', '\ufffd', '😀']);
  });
});
