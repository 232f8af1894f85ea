/** Dropout. */

import { isStatic } from '../graph/dim.ts';
import { numbers, tensor } from '../graph/tensor.ts';
import { noMacs } from './answer.ts';
import { wereAttributes, without } from './history.ts';
import { tieBroadcast } from './link.ts';
import { int, op } from './op.ts';
import { randomUniform } from './random-uniform.ts';
import { exactly } from './sample.ts';

/**
 * Dropout. While learning, each element stays with probability 1 − ratio and grows by 1 / (1 − ratio).
 *
 * The mask is a hash of (element, step), not the engine's own stream: a resumed run draws what an uninterrupted one would.
 */
export const Dropout = op({
  type: 'Dropout',
  inputs: ['X', 'ratio?', 'training_mode?'],
  outputs: ['Y', 'mask?'],
  attrs: { seed: int() },
  shape: ({ X }) => [
    { dims: X.dims, dtype: X.dtype },
    { dims: X.dims, dtype: 'bool' as const },
  ],
  grad: ({ dY }) => ({ X: dY }),
  couple: ({ X, Y }) => tieBroadcast(Y, X),
  cost: noMacs,
  quant: 'passes',
  training: { inputs: { training_mode: tensor('bool', [], Uint8Array.of(1)) } },
  decompose: ({ X, ratio, training_mode }, { seed }, g) => {
    const isLearning = training_mode?.constant?.bytes[0] === 1;
    const share = ratio?.constant ? numbers(ratio.constant)[0]! : 0.5;
    if (!isLearning || !isStatic(X.dims)) return undefined;
    const keep = randomUniform(X.dims, seed ?? 0, g);
    const mask = g.Cast(g.GreaterOrEqual(keep, share), { to: 1 });
    return [g.Mul(X, g.Mul(mask, 1 / (1 - share))), g.Cast(mask, { to: 9 })];
  },
  samples: [{ X: [2, 3] }, { X: [2, 3], ratio: exactly('float32', [], [0.3]) }],
  history: [
    wereAttributes(11, { name: 'ratio', at: 1, kind: 'float' }),
    {
      until: 11,
      old: (node, make) => {
        const mode = node.inputs[2];
        if (mode && make.ints(mode)?.[0] !== 0) return 'it is said at run time whether it learns';
        return without({ ...node, inputs: node.inputs.slice(0, 2) }, 'seed');
      },
    },
  ],
});
