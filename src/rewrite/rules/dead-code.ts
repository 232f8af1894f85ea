/** Nodes and initialisers that no output depends on are left out. */

import { called, type Firing, sweep } from '../rule.ts';
import { values } from '../sample.ts';

const NAME = 'dead-code';

export const deadCode = sweep({
  name: NAME,
  about: 'What no output depends on is left out.',

  sweep: (edit) => {
    const fired: Firing[] = [];
    for (const node of [...edit.nodes()].reverse()) {
      const isRead = (name: string): boolean => edit.isOutput(name) || edit.readers(name).length > 0;
      const stands = node.outputs.length === 0 || node.outputs.some((name) => name && edit.maker(name) === node);
      if (!stands || node.outputs.some((name) => name && isRead(name))) continue;
      edit.remove(node);
      fired.push({ rule: NAME, node: called(node), why: `nobody reads ${node.op}` });
    }
    for (const name of edit.dropWeights()) fired.push({ rule: NAME, node: name, why: 'nobody reads this initialiser' });
    return fired;
  },

  samples: [
    {
      about: 'a branch that leads nowhere, and its weight',
      leaves: 'Neg',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3]);
        g.Relu(g.MatMul(x, values(g, [3, 3])));
        return g.Neg(x);
      },
    },
  ],
});
