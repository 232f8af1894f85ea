/** Integers that follow from known dimensions (Shape, Gather, Concat, …) become constants. */

import { isStatic } from '../../graph/dim.ts';
import { factsOf } from '../../graph/dtype.ts';
import { sizeOf, tensor } from '../../graph/tensor.ts';
import { called, type Firing, sweep } from '../rule.ts';

const NAME = 'fold-known-integers';

export const foldKnownIntegers = sweep({
  name: NAME,
  about: 'Shape arithmetic whose result is known becomes a constant.',

  sweep: (edit) => {
    const fired: Firing[] = [];
    for (const node of [...edit.nodes()]) {
      const [name, ...others] = node.outputs;
      const fact = name ? edit.fact(name) : undefined;
      if (!name || others.length > 0 || node.op === 'Constant' || edit.isOutput(name) || !fact?.ints) continue;
      const { ints, dims, dtype } = fact;
      const isWhole = ints.every((dim): dim is number => typeof dim === 'number' && Number.isSafeInteger(dim));
      if (!isWhole || factsOf(dtype).float || factsOf(dtype).bits < 8 || !isStatic(dims)) continue;
      // It may have gone with a reader that became a constant before it.
      if (sizeOf(dims) !== ints.length || edit.maker(name) !== node || edit.readers(name).length === 0) continue;
      edit.settle(node, tensor(dtype, dims, ints as readonly number[]));
      fired.push({ rule: NAME, node: called(node), why: `${node.op} is [${ints.slice(0, 8).join(', ')}]` });
    }
    return fired;
  },

  samples: [
    {
      about: 'half of a dimension',
      leaves: 'Reshape',
      build: (g) => {
        const x = g.input('x', 'float32', [4, 6]);
        const size = g.Gather(g.Shape(x), g.ints([1]), { axis: 0 });
        return g.Reshape(x, g.Concat(g.Div(size, g.ints([2])), g.ints([-1]), { axis: 0 }));
      },
    },
    {
      about: 'integers that depend on what is fed',
      build: (g) => {
        const x = g.input('x', 'float32', [4, 6]);
        return g.Cast(g.Neg(x), { to: 7 });
      },
      fires: false,
    },
  ],
});
