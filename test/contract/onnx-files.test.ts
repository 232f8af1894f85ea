/** Every model and tensor of the ONNX conformance suite is read, is well formed, and is written back. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkGraph } from '../../src/graph/check.ts';
import { printModel } from '../../src/graph/print.ts';
import { readModel, readTensorProto, writeModel, writeTensorProto } from '../../src/onnx/index.ts';

const data = process.env['PARE_DATA'] ?? new URL('../../../shared/data', import.meta.url).pathname;
const archive = join(data, 'onnx-node-tests.tar.gz');

/** The files in a tar archive (ustar, with GNU long names): a 512-byte header, then the content, padded to 512. */
function* untar(bytes: Uint8Array): Generator<{ name: string; content: Uint8Array }> {
  const text = (from: number, length: number): string =>
    Buffer.from(bytes.subarray(from, from + length))
      .toString('utf8')
      .replace(/\0.*$/s, '');
  let longName = '';
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const kind = String.fromCharCode(bytes[at + 156]!);
    const prefix = text(at + 345, 155);
    const name = longName || (prefix ? `${prefix}/` : '') + text(at, 100);
    const content = bytes.subarray(at + 512, at + 512 + size);
    longName = kind === 'L' ? text(at + 512, size) : '';
    if (kind === '0' || kind === '\0') yield { name, content };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
/** A tensor_proto file begins with dims (08) or data_type (10); sequences and optionals have other fields first. */
const TENSORS = /\/(input|output)_\d+\.pb$/;

describe.skipIf(!existsSync(archive))('the ONNX conformance suite (skipped without PARE_DATA)', () => {
  const files = existsSync(archive) ? [...untar(new Uint8Array(gunzipSync(readFileSync(archive))))] : [];

  it('has its models read, checked, printed and written back unchanged', () => {
    const models = files.filter(({ name }) => name.endsWith('.onnx'));
    expect(models.length).toBeGreaterThan(1700);
    const faults: string[] = [];
    for (const { name, content } of models) {
      try {
        const model = readModel(content, { file: name });
        checkGraph(model);
        if (!printModel(model).startsWith('model "')) faults.push(`${name}: does not print`);
        if (!same(writeModel(model), content)) faults.push(`${name}: changed`);
        const { graph } = model;
        const anew = writeModel({ ...model, graph: { ...graph, nodes: graph.nodes.map((node) => ({ ...node })) } });
        expect(readModel(anew).graph.nodes, name).toEqual(graph.nodes);
      } catch (error) {
        faults.push(`${name}: ${error}`);
      }
    }
    expect(faults).toEqual([]);
  });

  it('has its tensors read, filled to their dimensions, and written back unchanged', () => {
    const tensors = files.filter(
      ({ name, content }) => TENSORS.test(name) && (content[0] === 0x08 || content[0] === 0x10),
    );
    expect(tensors.length).toBeGreaterThan(5000);
    const faults: string[] = [];
    for (const { name: file, content } of tensors) {
      try {
        const { name, tensor } = readTensorProto(content);
        if (!same(writeTensorProto(name, tensor), content)) faults.push(`${file}: changed`);
        const again = readTensorProto(writeTensorProto(name, { ...tensor })).tensor;
        if (!same(again.bytes, tensor.bytes)) faults.push(`${file}: other bytes when written anew`);
        expect(again.strings, file).toEqual(tensor.strings);
      } catch (error) {
        faults.push(`${file}: ${error}`);
      }
    }
    expect(faults).toEqual([]);
  });
});
