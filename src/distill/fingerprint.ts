/** What a data set holds, in few characters: so that a recording is never taken for another set's. */

import type { Dataset } from '../data/dataset.ts';
import { byteLength } from '../graph/dtype.ts';
import { elements, sizeOf, zeros } from '../graph/tensor.ts';

/** Bytes of samples that are looked at; of larger sets, samples evenly apart. */
const LOOKED_AT = 2 ** 26;

/** SHA-256 over size, names, types and the samples themselves (evenly spread ones where there are more than 64 MB). */
export async function fingerprint(data: Dataset): Promise<string> {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha256').update(JSON.stringify({ size: data.size, inputs: data.inputs }));
  const columns = Object.entries(data.inputs);
  const each = columns.reduce((sum, [, { dtype, dims }]) => sum + byteLength(dtype, sizeOf(dims)), 0);
  const count = Math.max(1, Math.min(data.size, Math.floor(LOOKED_AT / Math.max(1, each))));
  for (let i = 0; i < count; i++) {
    const index = [Math.floor((i * data.size) / count)];
    await data.prepare?.(index);
    for (const [name, { dtype, dims }] of columns) {
      const sample = zeros(dtype, dims);
      data.fill(name, index, elements(sample));
      hash.update(sample.bytes);
    }
  }
  return hash.digest('hex');
}
