/**
 * A wide MaxPool as two narrow ones: the maximum over a rectangle is the maximum over rows of maxima over columns.
 *
 *   kh · kw comparisons for each result become kh + kw
 */

import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

/** Windows below this many elements are quick as they are. */
const WIDE = 16;

export const splitMaxPool = rule({
  name: 'split-max-pool',
  about: 'MaxPool over a wide window becomes one down and one across: kh + kw comparisons instead of kh · kw.',
  pattern: node('MaxPool', [any('x')], { as: 'pool' }),

  where: ({ nodes: { pool } }) => {
    const [h = 1, w = 1, ...more] = listOf(pool!.attrs['kernel_shape']) ?? [];
    return more.length === 0 && h > 1 && w > 1 && h * w >= WIDE;
  },

  check: ({ nodes: { pool } }) => {
    if (pool!.outputs[1]) return 'the pool gives places, which ties would change';
    const padding = pool!.attrs['auto_pad'];
    return padding?.kind === 'string' && padding.value !== 'NOTSET' ? 'its padding depends on the input' : undefined;
  },

  rewrite: ({ nodes: { pool }, values: { x } }, edit) => {
    const { attrs } = pool!;
    const along = (axis: 0 | 1): Record<string, number | readonly number[]> => {
      const only = (name: string, rest: number): number[] => {
        const value = listOf(attrs[name])?.[axis] ?? rest;
        return axis === 0 ? [value, rest] : [rest, value];
      };
      const pads = listOf(attrs['pads']) ?? [0, 0, 0, 0];
      const ceil = attrs['ceil_mode'];
      return {
        kernel_shape: only('kernel_shape', 1),
        strides: only('strides', 1),
        dilations: only('dilations', 1),
        pads: pads.map((pad, i) => (i % 2 === axis ? pad : 0)),
        ...(ceil?.kind === 'int' && { ceil_mode: ceil.value }),
      };
    };
    const down = edit.emit('MaxPool', [x!], along(0), { like: pool! });
    return { outputs: [edit.emit('MaxPool', [down], along(1))], why: 'down, then across' };
  },

  samples: [
    {
      about: 'as in spatial pyramids',
      leaves: 'MaxPool MaxPool',
      build: (g) =>
        g.MaxPool(g.input('x', 'float32', [1, 2, 9, 9]), {
          kernel_shape: [5, 5],
          pads: [2, 2, 2, 2],
          strides: [1, 1],
        }),
    },
    {
      about: 'with strides, dilations and uneven padding',
      leaves: 'MaxPool MaxPool',
      build: (g) =>
        g.MaxPool(g.input('x', 'float32', [1, 2, 12, 15]), {
          kernel_shape: [4, 5],
          strides: [2, 3],
          dilations: [2, 1],
          pads: [1, 2, 0, 1],
          ceil_mode: 1,
        }),
    },
    {
      about: 'a narrow window',
      build: (g) => g.MaxPool(g.input('x', 'float32', [1, 2, 6, 6]), { kernel_shape: [3, 3] }),
      fires: false,
    },
  ],
});

const listOf = (attr: { kind: string; value: unknown } | undefined): readonly number[] | undefined =>
  attr?.kind === 'ints' ? (attr.value as readonly number[]) : undefined;
