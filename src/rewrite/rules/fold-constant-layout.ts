/** Transpose, Reshape, Squeeze, Unsqueeze, Flatten and Identity of a constant are done at once. */

import { isStatic } from '../../graph/dim.ts';
import { factsOf } from '../../graph/dtype.ts';
import { sizeOf, type Tensor } from '../../graph/tensor.ts';
import { permuted } from '../arithmetic.ts';
import { intsAttr } from '../attribute.ts';
import { called, type Firing, sweep } from '../rule.ts';
import { values } from '../sample.ts';

const NAME = 'fold-constant-layout';
/** Numbers beyond which a constant that others read as it lies (a tied weight) is not stored a second time. */
const SMALL = 64;
const MOVES = new Set(['Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity']);

export const foldConstantLayout = sweep({
  name: NAME,
  about: 'A constant that is transposed or reshaped becomes a constant laid out that way.',

  sweep: (edit) => {
    const fired: Firing[] = [];
    for (const node of [...edit.nodes()]) {
      const [name] = node.outputs;
      if (node.domain !== '' || !MOVES.has(node.op) || !name || edit.isOutput(name)) continue;
      if (edit.maker(name) !== node) continue;
      const before = edit.constant(node.inputs[0]!);
      const dims = edit.dims(name);
      if (!before || !dims || !isStatic(dims) || sizeOf(dims) !== sizeOf(before.dims)) continue;
      if (before.dtype === 'string' || factsOf(before.dtype).bits < 8) continue;
      if (node.op !== 'Identity' && sizeOf(dims) > SMALL && edit.readers(node.inputs[0]!).length > 1) continue;
      const perm = intsAttr(node, 'perm') ?? before.dims.map((_, i) => before.dims.length - 1 - i);
      const moved: Tensor = node.op === 'Transpose' ? permuted(before, perm) : { ...before, dims, bytes: before.bytes };
      edit.settle(node, moved);
      fired.push({ rule: NAME, node: called(node), why: `${node.op} of a constant, [${dims.join(', ')}]` });
    }
    return fired;
  },

  samples: [
    {
      about: 'a weight stored the other way round',
      leaves: 'MatMul',
      build: (g) => g.MatMul(g.input('x', 'float32', [2, 3]), g.Transpose(values(g, [4, 3]), { perm: [1, 0] })),
    },
    {
      about: 'three axes turned',
      leaves: 'Add',
      build: (g) => g.Add(g.input('x', 'float32', [4, 2, 3]), g.Transpose(values(g, [2, 3, 4]), { perm: [2, 0, 1] })),
    },
    {
      about: 'a weight reshaped',
      leaves: 'MatMul',
      build: (g) => g.MatMul(g.input('x', 'float32', [2, 6]), g.Reshape(values(g, [2, 3, 4]), [6, 4])),
    },
  ],
});
