/** Two nodes that compute the same of the same inputs become one. */

import type { Attr, Node } from '../../graph/model.ts';
import { tensorBytes } from '../../graph/tensor.ts';
import { called, type Firing, sweep } from '../rule.ts';
import { values } from '../sample.ts';

const NAME = 'common-subexpressions';
/** Nodes that differ from run to run, and those that the engine wants one of per reader. */
const OWN = new Set([
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
  'Dropout',
  // A weight in disguise: equal ones would be tied together when the model learns on.
  'ConstantOfShape',
  'QuantizeLinear',
  'DequantizeLinear',
]);

const attrText = (attr: Attr): string | undefined => {
  switch (attr.kind) {
    case 'tensor':
      return attr.value.dtype !== 'string' && tensorBytes(attr.value) <= 64
        ? `${attr.value.dtype}${attr.value.dims}:${attr.value.bytes}`
        : undefined;
    case 'graph':
    case 'graphs':
    case 'opaque':
      return undefined;
    default:
      return JSON.stringify(attr.value);
  }
};

/** Equal text means equal results; undefined for nodes that are never alike. */
function keyOf(node: Node): string | undefined {
  if (OWN.has(node.op) || node.op === 'Constant') return undefined;
  const attrs = Object.entries(node.attrs).map(([key, attr]) => [key, attrText(attr)] as const);
  if (attrs.some(([, text]) => text === undefined)) return undefined;
  return JSON.stringify([
    node.domain,
    node.op,
    node.overload ?? '',
    node.inputs,
    attrs.sort(),
    node.outputs.map(Boolean),
  ]);
}

export const commonSubexpressions = sweep({
  name: NAME,
  about: 'Nodes that compute the same become one.',

  sweep: (edit) => {
    const fired: Firing[] = [];
    const first = new Map<string, Node>();
    for (const planned of [...edit.nodes()]) {
      // Earlier merges may have changed what this node reads.
      const node = edit.maker(planned.outputs.find(Boolean) ?? '');
      const key = node && keyOf(node);
      if (!node || key === undefined) continue;
      const twin = first.get(key);
      if (!twin) {
        first.set(key, node);
        continue;
      }
      // All outputs or none: a half-merged node would stay and cost the same.
      if (node.outputs.some((name) => name && (edit.isOutput(name) || edit.isReadInside(name)))) continue;
      for (const [i, name] of node.outputs.entries()) if (name) edit.redirect(name, twin.outputs[i]!);
      fired.push({ rule: NAME, node: called(node), why: `computes what "${called(twin)}" computes` });
    }
    return fired;
  },

  samples: [
    {
      about: 'two like chains',
      leaves: 'Mul Relu Sigmoid Add',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3]);
        const w = values(g, [3]);
        return g.Add(g.Relu(g.Mul(x, w)), g.Sigmoid(g.Relu(g.Mul(x, w))));
      },
    },
    {
      about: 'the same op with other attributes',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3]);
        return g.Add(g.LeakyRelu(x, { alpha: 0.1 }), g.LeakyRelu(x, { alpha: 0.2 }));
      },
      fires: false,
    },
  ],
});
