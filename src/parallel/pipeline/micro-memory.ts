/** Memory for a batch, seen as the micro-batches that follow each other. */

import type { Dataset } from '../../data/dataset.ts';
import { elements, type Tensor, zeros } from '../../graph/tensor.ts';
import type { StepGraph } from '../../train/program.ts';

export interface MicroMemory {
  /** A column's samples of one micro-batch, where they lie. */
  part(column: string, micro: number): Tensor | undefined;
  fill(data: Dataset, list: Int32Array): void;
}

/** Room for `samples` samples of each column, in `micro` parts. */
export function microMemory(columns: StepGraph['columns'], samples: number, micro: number): MicroMemory {
  const memory = new Map(
    [...columns].map(([name, { dtype, dims }]) => [name, zeros(dtype, [samples, ...dims.slice(1)])]),
  );
  return {
    part(column, m) {
      const all = memory.get(column);
      if (!all) return undefined;
      const width = all.bytes.byteLength / micro;
      return { ...all, dims: columns.get(column)!.dims, bytes: all.bytes.subarray(m * width, (m + 1) * width) };
    },
    fill(data, list) {
      for (const [name, t] of memory) data.fill(name, list, elements(t));
    },
  };
}
