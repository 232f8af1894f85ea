/**
 * A Reshape whose dimensions are computed from the shape of its input: all but one are known ahead, or come over from the same place of the
 * input, so constants say the same. The nodes that computed them go (Shape, Gather, Concat, …).
 */

import type { Dim } from '../../graph/model.ts';
import { int64 } from '../../graph/tensor.ts';
import { numberAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, type Match, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const isPositive = (dim: Dim): dim is number => typeof dim === 'number' && dim > 0;

/** What the Reshape may be told instead: 0 copies a dimension, one -1 is what is left. Undefined where more are open. */
function targetOf({ nodes: { reshape } }: Match, net: Net): number[] | undefined {
  const dims = net.dims(reshape!.inputs[0]!);
  const wanted = net.dims(reshape!.outputs[0]!);
  if (!dims || !wanted) return undefined;
  const copied = wanted.map((dim, i) => (isPositive(dim) ? dim : dim !== null && dim === dims[i] ? 0 : -1));
  return copied.filter((dim) => dim === -1).length <= 1 ? copied : undefined;
}

export const reshapeByConstant = rule({
  name: 'reshape-by-constant',
  about: 'The computed dimensions of a Reshape become constants.',
  pattern: node('Reshape', [any('x'), any('shape')], { as: 'reshape' }),

  where: ({ nodes: { reshape }, values: { shape } }, net) =>
    net.constant(shape!) === undefined && !net.isInput(shape!) && numberAttr(reshape!, 'allowzero', 0) === 0,

  check: (match, net) =>
    targetOf(match, net) ? undefined : `more than one of the dimensions "${match.values.shape}" is open`,

  rewrite: (match, edit) => {
    const target = targetOf(match, edit)!;
    const { x, shape } = match.values;
    const to = edit.weight(shape!, int64([target.length], target));
    const like = match.nodes.reshape!;
    return { outputs: [edit.emit('Reshape', [x!, to], {}, { like })], why: `to [${target.join(', ')}]` };
  },

  samples: [
    {
      about: 'heads of any number of places',
      leaves: 'Reshape',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3, 8]);
        const kept = g.Slice(g.Shape(x), [0], [2], [0]);
        return g.Reshape(x, g.Concat(kept, g.ints([2, 4]), { axis: 0 }));
      },
    },
    {
      about: 'dimensions that are constants already',
      build: (g) => g.Reshape(g.input('x', 'float32', [4, 6]), [3, 8]),
      fires: false,
    },
  ],
});
