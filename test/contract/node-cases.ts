/** ONNX's own conformance cases: a model, its inputs and its outputs as the ONNX reference computed them. */

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Tensor } from '../../src/graph/tensor.ts';
import { readTensorProto } from '../../src/onnx/index.ts';
import { untar } from './tar.ts';

const root = process.env['PARE_DATA'] ?? resolve('../shared/data');
const archive = join(root, 'onnx-node-tests.tar.gz');
const verdicts = join(root, 'onnx-node-tests.ort-1.30.json');

export const present = existsSync(archive) && existsSync(verdicts);

export interface NodeCase {
  readonly name: string;
  readonly model: Uint8Array;
  /** Recorded tensors in order; undefined for one that is left out, a sequence, a map or an optional. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly (Tensor | undefined)[];
  /** What ONNX Runtime 1.30 made of the untouched case. */
  readonly verdict: 'pass' | 'unsupported' | 'mismatch';
}

/** All cases, in the archive's order; none where the data is absent. */
export function nodeCases(): NodeCase[] {
  if (!present) return [];
  const files = untar(readFileSync(archive));
  const told = JSON.parse(readFileSync(verdicts, 'utf8')) as { tests: Record<string, NodeCase['verdict']> };
  return Object.entries(told.tests).map(([name, verdict]) => {
    const read = (kind: string): (Tensor | undefined)[] => {
      const list: (Tensor | undefined)[] = [];
      for (let i = 0; ; i++) {
        const bytes = files.get(`${name}/test_data_set_0/${kind}_${i}.pb`);
        if (!bytes) return list;
        list.push(readOrSkip(bytes, name));
      }
    };
    return { name, verdict, model: files.get(`${name}/model.onnx`)!, inputs: read('input'), outputs: read('output') };
  });
}

/** Sequences and optionals are other messages; they do not read as a tensor of known size. */
function readOrSkip(bytes: Uint8Array, source: string): Tensor | undefined {
  if (bytes.length === 0) return undefined;
  try {
    const { tensor } = readTensorProto(bytes, source);
    void tensor.bytes;
    return tensor;
  } catch {
    return undefined;
  }
}
