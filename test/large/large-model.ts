/** A model of gigabytes that takes no room: its weights are holes in a sparse file, told apart by their first and last elements. */

import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Model, Node } from '../../src/graph/model.ts';
import { float32, type Tensor, tensorBytes } from '../../src/graph/tensor.ts';
import type { Place } from '../../src/onnx/external.ts';
import { INSIDE } from '../../src/onnx/tensor-write.ts';
import { encode, encodePieces } from '../../src/onnx/wire-write.ts';
import { putModel } from '../../src/onnx/write.ts';
import { modelFrom } from '../../src/ops/model-of.ts';

const [NARROW, WIDE] = [4096, 8192];

/** Dense layers of 134 MB each, every one with an Identity to drop. Weights lie beside the model or inside it. */
export function writeLargeModel(
  folder: string,
  layers: number,
  where: 'beside' | 'inside',
): { file: string; bytes: number } {
  const weights = Array.from({ length: layers }, (_, i) => hole(i % 2 ? [WIDE, NARROW] : [NARROW, WIDE]));
  const initializers = new Map<string, Tensor>();
  const nodes = weights.flatMap((weight, i): Node[] => {
    initializers.set(`w${i}`, weight);
    initializers.set(`b${i}`, float32([weight.dims[1]!], new Float32Array(weight.dims[1]!).fill(i)));
    const from = i === 0 ? 'x' : `y${i - 1}`;
    return [
      node('MatMul', [from, `w${i}`], `product${i}`),
      node('Add', [`product${i}`, `b${i}`], `sum${i}`),
      node('Identity', [`sum${i}`], `same${i}`),
      node('Relu', [`same${i}`], `y${i}`),
    ];
  });
  const model = modelFrom({
    name: 'large',
    nodes,
    inputs: [{ name: 'x', type: { kind: 'tensor', dtype: 'float32', dims: ['N', NARROW] } }],
    outputs: [{ name: `y${layers - 1}` }],
    initializers,
    values: new Map(),
  });
  const file = join(folder, 'large.onnx');
  const location = 'large.onnx_data';
  let offset = 0;
  const placed = new Map<Tensor, Place>();
  for (const weight of weights) {
    placed.set(weight, { location, offset, length: tensorBytes(weight) });
    offset += tensorBytes(weight);
  }
  if (where === 'inside') return { file, bytes: writeInside(file, model) };
  const bytes = encode((sink) => putModel(sink, model, { placed, mayShare: () => false }));
  writeFileSync(file, bytes);
  const handle = openSync(join(folder, location), 'w');
  ftruncateSync(handle, offset);
  for (const [i, weight] of weights.entries()) mark(handle, placed.get(weight)!.offset, tensorBytes(weight), i);
  closeSync(handle);
  return { file, bytes: bytes.length + offset };
}

const node = (op: string, inputs: readonly string[], output: string): Node => ({
  op,
  domain: '',
  name: `${op}_${output}`,
  inputs,
  outputs: [output],
  attrs: {},
});

const HOLE = new Uint8Array(4 * NARROW * WIDE);
const hole = (dims: readonly number[]): Tensor => ({ dtype: 'float32', dims, bytes: HOLE });

/** The model with its weights in its own message; holes are skipped, not written. */
function writeInside(file: string, model: Model): number {
  const handle = openSync(file, 'w');
  let at = 0;
  let holes = 0;
  for (const piece of encodePieces((sink) => putModel(sink, model, INSIDE))) {
    if (piece === HOLE) mark(handle, at, piece.length, holes++);
    else writeSync(handle, piece, 0, piece.length, at);
    at += piece.length;
  }
  closeSync(handle);
  return at;
}

/** Own first and last elements, so that no two weights are equal. */
function mark(handle: number, offset: number, length: number, i: number): void {
  const ends = new Uint8Array(Float32Array.of(i + 1, -i).buffer);
  writeSync(handle, ends, 0, 8, offset);
  writeSync(handle, ends, 0, 8, offset + length - 8);
}
