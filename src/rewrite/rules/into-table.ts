/**
 * What is done to each element behind a Gather of rows can be done to the table, once and for all.
 *
 *   f(rows of T, c) = rows of f(T, c)          c: a constant along the rows, or rows of another table by the same ids
 *
 * The table's new values are computed when constants are folded, here or by the engine as it loads the file.
 */

import { isStatic } from '../../graph/dim.ts';
import type { Node } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import type { StaticValue } from '../../ops/op.ts';
import { numberAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { any, node } from '../pattern.ts';
import { rule } from '../rule.ts';
import { values } from '../sample.ts';

/** Each element alone. */
const ELEMENTWISE = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min'],
  ...['Tanh', 'Relu', 'Sigmoid', 'Gelu', 'Erf', 'Exp', 'Sqrt', 'Reciprocal', 'Neg', 'Abs', 'Softplus', 'HardSwish'],
];
/** Elements of a table that are still worth computing ahead. */
const MOST = 2 ** 20;

/** A constant, or what is computed from constants alone. */
function isFixed(name: string, net: Net): boolean {
  if (net.constant(name)) return true;
  const maker = net.maker(name);
  return (
    maker !== undefined &&
    maker.inputs.length > 0 &&
    ELEMENTWISE.includes(maker.op) &&
    maker.inputs.every((input) => isFixed(input, net))
  );
}

/** The Gather of rows of a fixed table that makes this value. */
function lookup(name: string, net: Net): Node | undefined {
  const maker = net.maker(name);
  if (maker?.op !== 'Gather' || maker.domain !== '' || numberAttr(maker, 'axis', 0) !== 0) return undefined;
  const dims = net.dims(maker.inputs[0]!);
  const isSmall = dims?.length === 2 && isStatic(dims) && sizeOf(dims) <= MOST;
  return isSmall && isFixed(maker.inputs[0]!, net) ? maker : undefined;
}

/** The constant as it meets a row: without the leading axes of one; undefined where it is wider or varies outside the row. */
function inRow(name: string, width: number, net: Net): readonly number[] | undefined {
  const dims = net.constant(name)?.dims;
  if (!dims || dims.slice(0, -1).some((dim) => dim !== 1)) return undefined;
  return dims.length === 0 || dims.at(-1) === 1 || dims.at(-1) === width ? dims.slice(-1) : undefined;
}

export const intoTable = rule({
  name: 'into-table',
  about: 'Arithmetic on each element behind a Gather of rows is done to the table.',
  pattern: node(ELEMENTWISE, [any()], { as: 'node' }),

  where: ({ nodes: { node } }, net) => node!.inputs.some((name) => lookup(name, net)),

  check: ({ nodes: { node } }, net) => {
    const gathers = node!.inputs.map((name) => lookup(name, net));
    const first = gathers.find((gather) => gather !== undefined)!;
    const ids = first.inputs[1]!;
    const [, width] = net.dims(first.inputs[0]!) as readonly number[];
    const other = node!.inputs.find((name, i) =>
      gathers[i] ? gathers[i].inputs[1] !== ids : inRow(name, width!, net) === undefined,
    );
    return other === undefined ? undefined : `"${other}" is no constant along the rows of "${first.inputs[0]}"`;
  },

  rewrite: ({ nodes: { node } }, edit) => {
    const gathers = node!.inputs.map((name) => lookup(name, edit));
    const { inputs } = gathers.find((gather) => gather !== undefined)!;
    const [, width] = edit.dims(inputs[0]!) as readonly number[];
    const operands = node!.inputs.map((name, i) => {
      if (gathers[i]) return gathers[i].inputs[0]!;
      const dims = inRow(name, width!, edit)!;
      const t = edit.constant(name)!;
      return dims.length === t.dims.length ? name : edit.weight(name, { ...t, dims });
    });
    const table = edit.emit(node!.op, operands, node!.attrs);
    return {
      outputs: [edit.emit('Gather', [table, inputs[1]!], { axis: 0 }, { like: node! })],
      why: `${node!.op} of the table "${inputs[0]}"`,
    };
  },

  samples: [
    {
      about: 'a bias and an activation behind an embedding',
      leaves: 'ArgMax Add Tanh Mul Gather',
      build: (g) => {
        const x = g.Add(g.Gather(values(g, [3, 4]), ids(g), { axis: 0 }), values(g, [1, 1, 4], 2));
        return g.Mul(x, g.Tanh(x));
      },
    },
    {
      about: 'places added to words',
      build: (g) => g.Add(g.Gather(values(g, [3, 4]), ids(g), { axis: 0 }), values(g, [2, 4], 2)),
      fires: false,
    },
  ],
});

const ids = (g: Builder): StaticValue => g.ArgMax(g.input('x', 'float32', [2, 2, 3]), { axis: -1, keepdims: 0 });
