/**
 * ReduceMean over all places of [N, C, H, W] is GlobalAveragePool, which the engine has in the layout of its convolutions. It has
 * none for volumes: there ReduceMean is faster.
 */

import { axesInput, numberAttr, positiveAxes } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const RANK = 4;

export const reduceMeanToGlobalAveragePool = rule({
  name: 'reduce-mean-to-global-average-pool',
  about: 'ReduceMean over all spatial axes of an image becomes GlobalAveragePool.',
  pattern: node('ReduceMean', [any('x')], { as: 'mean' }),
  where: ({ values: { x } }, net) => net.dims(x!)?.length === RANK,

  check: ({ nodes: { mean }, values: { x } }, net) => {
    const axes = axesInput(mean!, net);
    if (!axes) return 'its axes are not known';
    const found = positiveAxes(axes, RANK).sort();
    const isSpatial = found.length === RANK - 2 && found.every((axis, i) => axis === i + 2);
    if (!isSpatial) return `it averages axes ${axes.join(', ')}`;
    const dtype = net.fact(x!)?.dtype;
    return dtype === 'float32' || dtype === 'float16' ? undefined : `its input is ${dtype}`;
  },

  rewrite: ({ nodes: { mean }, values: { x } }, edit) => {
    const pooled = edit.emit('GlobalAveragePool', [x!], {}, { like: mean! });
    const isKept = numberAttr(mean!, 'keepdims', 1) === 1;
    return { outputs: [isKept ? pooled : edit.emit('Flatten', [pooled], { axis: 1 })], why: 'it averages all places' };
  },

  samples: [
    {
      about: 'axes kept',
      leaves: 'GlobalAveragePool',
      build: (g) => g.ReduceMean(g.input('x', 'float32', [2, 3, 4, 5]), [2, 3]),
    },
    {
      about: 'axes dropped, counted from the end',
      leaves: 'GlobalAveragePool Flatten',
      build: (g) => g.ReduceMean(g.input('x', 'float32', [2, 3, 4, 5]), [-1, -2], { keepdims: 0 }),
    },
    {
      about: 'over a volume',
      build: (g) => g.ReduceMean(g.input('x', 'float32', [1, 2, 3, 4, 5]), [2, 3, 4]),
      fires: false,
    },
    { about: 'over channels', build: (g) => g.ReduceMean(g.input('x', 'float32', [2, 3, 4, 5]), [1]), fires: false },
  ],
});
