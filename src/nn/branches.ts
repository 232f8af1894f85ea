/** Joining values, and layers that change only their shape. */

import type { Value } from '../ops/op.ts';
import { gaussian, type Initializer } from './initializer.ts';
import type { Layer, Making } from './layer.ts';

/** The sum of values of one shape. */
export const add = (a: Value, b: Value, { g, name }: Making): Value =>
  g.emit('Add', [a, b], {}, { name: name('add') })[0]!;

/** Values side by side along an axis (default 1, channels). */
export const concat = (values: readonly Value[], { g, name }: Making, { axis = 1 }: { axis?: number } = {}): Value =>
  g.emit('Concat', [...values], { axis }, { name: name('concat') })[0]!;

/** Several layers read the same value; their results lie side by side along `axis` (default 1). */
export const branches =
  (layers: readonly Layer[], options: { axis?: number } = {}): Layer =>
  (x, make) =>
    concat(
      layers.map((layer) => layer(x, make)),
      make,
      options,
    );

/** Rows of a trained table: class numbers [N, ...] → [N, ..., width]. The model's input must be int64 (or int32). */
export const embedding =
  (size: number, width: number, { init = gaussian(1) }: { init?: Initializer } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('embedding');
    return g.emit('Gather', [weight(`${layer}.weight`, [size, width], init), x], { axis: 0 }, { name: layer })[0]!;
  };

/** [N, ...] → [N, ...dims]. */
export const reshape =
  (dims: readonly number[]): Layer =>
  (x, { g, name }) =>
    g.emit('Reshape', [x, [0, ...dims]], {}, { name: name('reshape') })[0]!;

/** The axes in another order; axis 0 (samples) stays where it is: `permute(2, 1)` turns [N, C, T] into [N, T, C]. */
export const permute =
  (...axes: readonly number[]): Layer =>
  (x, { g, name }) =>
    g.emit('Transpose', [x], { perm: [0, ...axes] }, { name: name('permute') })[0]!;

/** The mean over the steps of a sequence: [N, T, D] → [N, D]. */
export const meanOverSteps =
  (): Layer =>
  (x, { g, name }) =>
    g.emit('ReduceMean', [x, [1]], { keepdims: 0 }, { name: name('mean') })[0]!;
