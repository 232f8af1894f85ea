/** A Constant node becomes an initialiser: the same numbers, in the place where weights are looked for. */

import { int64 } from '../../graph/tensor.ts';
import { constantOf } from '../constant-of.ts';
import { called, type Firing, sweep } from '../rule.ts';

const NAME = 'constant-to-initializer';

export const constantToInitializer = sweep({
  name: NAME,
  about: 'Constant nodes become initialisers.',

  sweep: (edit) => {
    const fired: Firing[] = [];
    for (const node of [...edit.nodes()]) {
      const tensor = constantOf(node);
      const [name] = node.outputs;
      if (!tensor || !name || edit.isOutput(name)) continue;
      edit.settle(node, tensor);
      fired.push({ rule: NAME, node: called(node), why: `${tensor.dtype} [${tensor.dims.join(', ')}]` });
    }
    return fired;
  },

  samples: [
    {
      about: 'the dimensions of a Reshape',
      leaves: 'Reshape',
      build: (g) =>
        g.Reshape(g.input('x', 'float32', [2, 3]), g.emit('Constant', [], { value: int64([2], [3, 2]) })[0]!),
    },
  ],
});
