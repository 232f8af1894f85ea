/** The arrays that a run consists of, under the names that its checkpoint gives them. */

import { PareError } from '../base/error.ts';
import { elements, isElsewhere, sizeOf, type Tensor } from '../graph/tensor.ts';
import { stretchOf } from './rested.ts';
import type { StoredArray } from './tensor-file.ts';
import type { Trainer } from './trainer.ts';
import type { RunArrays } from './workers.ts';

type Weights = ReadonlyMap<string, Tensor>;

/** Every array of the run, in place: a view, not a copy. */
export function arraysOf(trainer: Trainer, best: Weights): Map<string, StoredArray> {
  const { step, arena, running, held } = trainer;
  const all = new Map<string, StoredArray>();
  const dimsOf = (name: string, { length }: Float32Array): readonly number[] => {
    const dims = step.form.weights.get(name)?.dims;
    return dims && sizeOf(dims) === length ? dims : [length]; // a part of a weight, and what is kept of its rows, have no shape
  };
  const put = (prefix: string, name: string, values: Float32Array): void =>
    void all.set(`${prefix}/${name}`, { dims: dimsOf(name, values), values });
  for (const { name } of step.parameters) put('w', name, arena.view('w', name));
  for (const [slot, tensors] of Object.entries(running.state().tensors))
    for (const [name, values] of Object.entries(tensors)) put(`slot/${slot}`, name, values);
  for (const [name, t] of held) put('held', name, elements(t) as Float32Array);
  for (const [name, array] of bestArrays(best)) all.set(name, array);
  return all;
}

/** The best weights among the arrays of a run. */
export const bestArrays = (best: Weights): Map<string, StoredArray> =>
  new Map(
    [...best].map(([name, t]): [string, StoredArray] => [
      BEST + name,
      isElsewhere(t)
        ? {
            dims: t.dims,
            get values() {
              return elements(t) as Float32Array;
            },
            stretch: (from, to) => stretchOf(t, from, to),
          }
        : { dims: t.dims, values: elements(t) as Float32Array },
    ]),
  );

/** The names of a best weight's array, and the weight's again. */
const BEST = 'best/';
export const withoutBest = (key: string): string => key.slice(BEST.length);

/** Copies a checkpoint's arrays into those of a run. Throws train/resume when one is missing. */
export function fillArrays(own: RunArrays, saved: RunArrays, folder: string): void {
  for (const [name, { values }] of own) {
    const array = saved.get(name);
    if (!array || sizeOf(array.dims) !== values.length) {
      throw new PareError('train/resume', `The checkpoint holds no "${name}".`, {
        where: folder,
        hint: 'go on with the model and the frozen weights that it was made with',
      });
    }
    values.set(array.values);
  }
}
