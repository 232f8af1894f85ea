/** Reshape, Flatten, Squeeze and Unsqueeze keep the order of elements, so only the last of a chain matters. */

import { knownInts, numberAttr, sameDims } from '../attribute.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';

const RESHAPING = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'];

export const mergeReshapes = rule({
  name: 'merge-reshapes',
  about: 'A chain of reshaping nodes becomes its last Reshape, or nothing where the dimensions come back.',
  pattern: node(RESHAPING, [node(RESHAPING, [any('x')], { as: 'first' })], { as: 'second' }),

  check: ({ nodes: { first, second }, values: { x } }, net) => {
    if (sameDims(net.dims(x!), net.dims(second!.outputs[0]!))) return undefined;
    if (second!.op !== 'Reshape') return `${second!.op} depends on the dimensions that ${first!.op} makes`;
    const target = knownInts(second!.inputs[1], net);
    if (!target) return `the dimensions "${second!.inputs[1]}" are not known`;
    const copies = target.includes(0) && numberAttr(second!, 'allowzero', 0) === 0;
    return copies ? `the dimensions [${target.join(', ')}] copy one that ${first!.op} makes` : undefined;
  },

  rewrite: ({ nodes: { first, second }, values: { x } }, edit) => {
    if (sameDims(edit.dims(x!), edit.dims(second!.outputs[0]!))) {
      return { outputs: [x], why: `undoes ${first!.op} "${first!.name}"` };
    }
    const output = edit.emit('Reshape', [x!, second!.inputs[1]!], second!.attrs, { like: second! });
    return { outputs: [output], why: `makes ${first!.op} "${first!.name}" needless` };
  },

  samples: [
    {
      about: 'Squeeze after Unsqueeze',
      leaves: 'Neg Neg',
      build: (g) => g.Neg(g.Squeeze(g.Unsqueeze(g.Neg(g.input('x', 'float32', [2, 3])), [1]), [1])),
    },
    {
      about: 'Reshape after Flatten',
      leaves: 'Reshape',
      build: (g) => g.Reshape(g.Flatten(g.input('x', 'float32', [2, 3, 4])), [4, -1]),
    },
    {
      about: 'Reshape that copies a dimension',
      build: (g) => g.Reshape(g.Flatten(g.input('x', 'float32', [2, 3, 4])), [0, 3, 4, 1]),
      fires: false,
    },
  ],
});
