/** Do these tensors fit the graph's ports? Asked before the engine is, so that both engines answer alike. */

import { PareError } from '../base/error.ts';
import { nearest } from '../base/suggest.ts';
import { byteLength } from '../graph/dtype.ts';
import { sizeOf, type Tensor } from '../graph/tensor.ts';
import type { Port, Resident, Values } from './engine.ts';

/** Does it lie with the device, rather than in JavaScript's memory? */
export const isResident = (value: Tensor | Resident): value is Resident => !('bytes' in value);

const showDims = (dims: readonly number[]): string => `[${dims.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}]`;
const showPort = ({ dtype, dims }: Port): string => `${dtype ?? 'a value'}${dims ? ` ${showDims(dims)}` : ''}`;

/**
 * Checks the feeds of a run.
 *
 * `optional` are inputs that have a default: weights which a caller may override.
 * Throws   engine/feed for a name that is missing or unknown, a wrong dtype, rank or size, and bytes that do not fill the dims.
 */
export function checkFeeds(inputs: readonly Port[], feeds: Values, optional: readonly Port[] = []): void {
  for (const port of inputs) {
    const fed = feeds[port.name];
    if (!fed) {
      throw new PareError('engine/feed', `Input "${port.name}" is missing.`, {
        where: `input "${port.name}"`,
        expected: showPort(port),
        got: Object.keys(feeds).length ? `feeds for ${Object.keys(feeds).join(', ')}` : 'no feeds',
      });
    }
    checkTensor('input', port, fed);
    if (port.dims) checkDims(port.name, port.dims, fed.dims);
  }
  const names = Object.keys(feeds);
  if (names.length === inputs.length) return;
  for (const name of names) checkTensor('input', find('input', [...inputs, ...optional], name), feeds[name]!);
}

/**
 * Checks the memory that outputs are to be written to. Its dims are the engine's to check: it alone knows the true ones.
 *
 * Throws   engine/feed as above; engine/type for strings, whose memory is the engine's own.
 */
export function checkFetches(outputs: readonly Port[], fetches: Values): void {
  for (const [name, into] of Object.entries(fetches)) {
    const port = find('output', outputs, name);
    if (into.dtype === 'string') {
      throw new PareError('engine/type', `Output "${name}" holds strings, which cannot be written in place.`, {
        where: `output "${name}"`,
        hint: 'fetch it with run() instead of bind()',
      });
    }
    checkTensor('output', port, into);
  }
}

/**
 * The port of that name.
 *
 * Throws   engine/feed with the nearest name.
 */
export function find(kind: 'input' | 'output', ports: readonly Port[], name: string): Port {
  const port = ports.find((candidate) => candidate.name === name);
  if (port) return port;
  const names = ports.map((candidate) => candidate.name);
  const near = nearest(name, names);
  throw new PareError(
    'engine/feed',
    `This graph has no ${kind} "${name}"${near === undefined ? '.' : `; did you mean "${near}"?`}`,
    { where: `${kind} "${name}"`, expected: names.length ? `one of ${names.join(', ')}` : `no ${kind}s` },
  );
}

/** The outputs that a run gives when none is named: the tensors. Where there is none, all, so that the error says what they are. */
export function tensorsOf(outputs: readonly Port[]): string[] {
  const tensors = outputs.filter(({ dtype }) => dtype !== undefined);
  return (tensors.length > 0 ? tensors : outputs).map(({ name }) => name);
}

function checkTensor(kind: 'input' | 'output', port: Port, value: Tensor | Resident): void {
  const { dtype, dims } = value;
  const where = `${kind} "${port.name}"`;
  if (port.dtype && port.dtype !== dtype) {
    throw new PareError(
      'engine/feed',
      `${kind === 'input' ? 'Input' : 'Output'} "${port.name}" is ${port.dtype}, not ${dtype}.`,
      {
        where,
        expected: showPort(port),
        got: `${dtype} ${showDims(dims)}`,
      },
    );
  }
  if (isResident(value)) return;
  const { bytes, strings } = value;
  const size = sizeOf(dims);
  const [expected, got, unit] =
    dtype === 'string' ? [size, strings?.length ?? 0, 'strings'] : [byteLength(dtype, size), bytes.byteLength, 'bytes'];
  if (expected !== got) {
    throw new PareError('engine/feed', `The memory of ${where} does not hold ${dtype} ${showDims(dims)}.`, {
      where,
      expected: `${expected} ${unit}`,
      got: `${got} ${unit}`,
    });
  }
}

function checkDims(name: string, expected: readonly number[], got: readonly number[]): void {
  if (expected.length === got.length && expected.every((dim, axis) => dim < 0 || dim === got[axis])) return;
  throw new PareError('engine/feed', `Input "${name}" takes ${showDims(expected)}, not ${showDims(got)}.`, {
    where: `input "${name}"`,
    expected: showDims(expected),
    got: showDims(got),
  });
}
