/**
 * A dense layer whose input is turned and laid flat, and whose result is laid out and turned back, works on the value as it lies.
 *
 *   x [B, L, D] → Transpose → Reshape [L·B, D] → Gemm → Reshape [L, B, M] → Transpose [B, L, M]      becomes      x · W + b
 */

import type { Node } from '../../graph/model.ts';
import { permuted } from '../arithmetic.ts';
import { numberAttr, sameDims } from '../attribute.ts';
import { followBack, sizes, sourcePlaces } from '../moved.ts';
import { rowOrigins, wholeRows } from '../moved-rows.ts';
import type { Net } from '../net.ts';
import { type Match, node } from '../pattern.ts';
import { called, rule } from '../rule.ts';
import { values } from '../sample.ts';

interface Turned {
  readonly gemm: Node;
  /** What the layer can read as it lies. */
  readonly x: string;
}

/** The layer behind a turn, and what it can read; undefined where there is none, or rows do not come back to their places. */
function turnedLayer({ root }: Match, net: Net): Turned | undefined {
  const [result = ''] = root.outputs;
  const after = followBack(result, net);
  const gemm = net.maker(after.source);
  const dims = net.dims(result);
  if (gemm?.op !== 'Gemm' || gemm.domain !== '' || after.factor !== 1 || !dims) return undefined;
  const [width] = net.dims(after.source)?.slice(1) ?? [];
  const size = sizes();
  const laid = sourcePlaces(after, size, net);
  const back = laid && typeof width === 'number' ? wholeRows(laid, width) : undefined;
  if (!back) return undefined;
  const origin = rowOrigins(gemm.inputs[0]!, dims.length, size, net).find(
    ({ name, rows }) =>
      sameDims(net.dims(name)?.slice(0, -1), dims.slice(0, -1)) && back.every((row, i) => rows[row] === i),
  );
  return origin && { gemm, x: origin.name };
}

/** The nodes from a value back to another one. */
function chain(from: string, to: string, net: Net): Node[] {
  const nodes: Node[] = [];
  for (let name = from; name !== to; name = nodes.at(-1)!.inputs[0]!) nodes.push(net.maker(name)!);
  return nodes;
}

export const denseInPlace = rule({
  name: 'dense-in-place',
  about: 'A dense layer between a turn of axes and its undoing reads the value as it lies.',
  pattern: node('Transpose'),

  where: (match, net) => turnedLayer(match, net) !== undefined,

  check: (match, net) => {
    const { gemm, x } = turnedLayer(match, net)!;
    const isPlain =
      ['alpha', 'beta'].every((key) => numberAttr(gemm, key, 1) === 1) && numberAttr(gemm, 'transA', 0) === 0;
    if (!isPlain) return `"${called(gemm)}" multiplies by more than its weight`;
    if (!net.constant(gemm.inputs[1]!)) return `the weight "${gemm.inputs[1]}" is not a constant`;
    if (gemm.inputs[2] && net.dims(gemm.inputs[2])?.length !== 1) return `the bias "${gemm.inputs[2]}" is no row`;
    const inner = chain(match.root.inputs[0]!, x, net);
    const shared = inner.find(({ outputs }) => net.isOutput(outputs[0]!) || net.readers(outputs[0]!).length > 1);
    return shared && `"${called(shared)}" is read elsewhere too`;
  },

  rewrite: (match, edit) => {
    const { gemm, x } = turnedLayer(match, edit)!;
    const [, weight, bias] = gemm.inputs as [string, string, string | undefined];
    const isTurned = numberAttr(gemm, 'transB', 0) === 1;
    const w = isTurned ? edit.reweigh(weight, permuted(edit.constant(weight)!, [1, 0]), gemm) : weight;
    const product = edit.emit('MatMul', [x, w], {}, { like: gemm });
    return { outputs: [bias ? edit.emit('Add', [product, bias]) : product], why: `"${called(gemm)}" reads "${x}"` };
  },

  samples: [
    {
      about: 'places before the batch, as torch.nn.MultiheadAttention has them',
      leaves: 'Relu MatMul Add',
      build: (g) => {
        const x = g.Relu(g.input('x', 'float32', [2, 5, 8]));
        const flat = g.Reshape(g.Transpose(x, { perm: [1, 0, 2] }), [10, 8]);
        const y = g.Gemm(flat, values(g, [6, 8]), values(g, [6]), { transB: 1 });
        return g.Transpose(g.Reshape(y, [5, 2, 6]), { perm: [1, 0, 2] });
      },
    },
    {
      about: 'channels last and back, without a bias',
      leaves: 'Transpose MatMul',
      build: (g) => {
        const rows = g.Reshape(g.Transpose(g.input('x', 'float32', [2, 8, 3, 4]), { perm: [0, 2, 3, 1] }), [24, 8]);
        const y = g.Reshape(g.Gemm(rows, values(g, [8, 6])), [2, 12, 6]);
        return g.Transpose(g.Transpose(g.Reshape(y, [2, 3, 4, 6]), { perm: [1, 0, 2, 3] }), { perm: [1, 0, 2, 3] });
      },
    },
    {
      about: 'turned only before',
      build: (g) => {
        const flat = g.Reshape(g.Transpose(g.input('x', 'float32', [2, 5, 8]), { perm: [1, 0, 2] }), [10, 8]);
        return g.Transpose(g.Reshape(g.Gemm(flat, values(g, [8, 6])), [2, 5, 6]), { perm: [1, 0, 2] });
      },
      fires: false,
    },
    {
      about: 'a result that is read flat as well',
      build: (g) => {
        const flat = g.Reshape(g.Transpose(g.input('x', 'float32', [2, 5, 8]), { perm: [1, 0, 2] }), [10, 8]);
        const y = g.Gemm(flat, values(g, [8, 6]));
        return [g.Transpose(g.Reshape(y, [5, 2, 6]), { perm: [1, 0, 2] }), y];
      },
      fires: false,
    },
  ],
});
