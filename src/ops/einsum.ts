/**
 * Einstein sums: axes carry labels, labels absent from the result are summed.
 *
 *   slope of an operand = einsum of the result's slope and the other operands, to the operand's own labels
 */

import type { Dim } from '../graph/model.ts';
import { count } from './answer.ts';
import type { Builder } from './builder.ts';
import { type Axis, free, type Link, tie } from './link.ts';
import { misfit, noSlope } from './misfit.ts';
import { op, type StaticValue, text } from './op.ts';

interface Labels {
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/** Labels of every axis; the axes of an ellipsis get labels of their own ('.0' is the last of them). */
function labelsOf(equation: string, ranks: readonly number[]): Labels {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const expand = (term: string, rank: number): string[] => {
    const [before = '', after] = term.split('...');
    if (after === undefined) return [...before];
    const hidden = rank - before.length - after.length;
    return [...before, ...Array.from({ length: hidden }, (_, i) => `.${hidden - 1 - i}`), ...after];
  };
  const operands = left.split(',').map((term, i) => expand(term, ranks[i] ?? 0));
  const seen = operands.flat();
  const hidden = [...new Set(seen.filter((label) => label.startsWith('.')))].sort().reverse();
  if (right === undefined) {
    const once = [...new Set(seen)].filter(
      (label) => !label.startsWith('.') && seen.indexOf(label) === seen.lastIndexOf(label),
    );
    return { operands, result: [...hidden, ...once.sort()] };
  }
  return { operands, result: expand(right, right.replace('...', '').length + hidden.length) };
}

function sizesOf(operands: Labels['operands'], values: readonly { readonly dims: readonly Dim[] }[]): Map<string, Dim> {
  const sizes = new Map<string, Dim>();
  operands.forEach((labels, i) => {
    labels.forEach((label, k) => {
      const dim = values[i]!.dims[k] ?? null;
      const before = sizes.get(label);
      if (before === undefined || before === 1 || (typeof before !== 'number' && typeof dim === 'number' && dim !== 1))
        sizes.set(label, dim);
    });
  });
  return sizes;
}

const DIFFER = 'an operand has another rank than its term';

export const Einsum = op({
  type: 'Einsum',
  inputs: ['...X'],
  attrs: { equation: text('') },
  shape: ({ X }, { equation }) => {
    const { operands, result } = labelsOf(
      equation,
      X.map(({ dims }) => dims.length),
    );
    if (operands.length !== X.length || operands.some((labels, i) => labels.length !== X[i]!.dims.length)) {
      throw misfit(`Einsum "${equation}"`, DIFFER, Object.fromEntries(X.map((x, i) => [`X${i}`, x])));
    }
    const sizes = sizesOf(operands, X);
    return result.map((label) => sizes.get(label) ?? null);
  },
  grad: ({ X, dY }, { equation }, g) => {
    const { operands, result } = labelsOf(
      equation,
      X.map(({ dims }) => dims.length),
    );
    if (operands.some((labels) => new Set(labels).size !== labels.length))
      throw noSlope('Einsum', `a diagonal ("${equation}")`);
    return { X: X.map((_, i) => operandSlope(i, X, dY, { operands, result }, g)) };
  },
  couple: ({ X, Y }, { equation }) => {
    const { operands, result } = labelsOf(
      equation,
      X.map((axes) => axes.length),
    );
    const places = new Map<string, Axis[]>();
    [...operands, result].forEach((labels, i) => {
      for (const [k, label] of labels.entries()) places.set(label, [...(places.get(label) ?? []), (X[i] ?? Y)[k]!]);
    });
    return [...places.values()].flatMap((axes): Link[] => {
      const wide = axes.filter(({ size }) => size > 1);
      return [
        ...axes.filter(({ size }) => size === 1).map(free),
        ...(wide.length === 1 ? [free(wide[0]!)] : wide.slice(1).map((axis) => tie(wide[0]!, axis, 'the same label'))),
      ];
    });
  },
  cost: ({ X }, { equation }) => {
    const { operands } = labelsOf(
      equation,
      X.map(({ dims }) => dims.length),
    );
    return { macs: count([...sizesOf(operands, X).values()] as number[]) };
  },
  quant: 'float',
  samples: [
    {
      X: [
        [2, 3],
        [3, 4],
      ],
      attrs: { equation: 'ij,jk->ik' },
    },
    {
      X: [
        [2, 3, 4],
        [2, 5, 4],
      ],
      attrs: { equation: 'bij,bkj->bik' },
    },
    {
      X: [
        [2, 3, 2, 4],
        [2, 3, 3, 4],
      ],
      attrs: { equation: 'bhid,bhjd->bhij' },
    },
    { X: [[2, 3], [4]], attrs: { equation: 'ij,k->jk' } },
    {
      X: [
        [2, 3, 4],
        [4, 2],
      ],
      attrs: { equation: '...i,ij->...j' },
    },
    { X: [[2, 3, 4]], attrs: { equation: 'bij->bji' } },
  ],
});

/** What flows back to one operand; a label that only it has was summed, so its slope is the same all along. */
function operandSlope(
  i: number,
  X: readonly StaticValue[],
  dY: StaticValue,
  { operands, result }: Labels,
  g: Builder,
): StaticValue {
  const x = X[i]!;
  const others = operands.filter((_, k) => k !== i);
  const sizes = sizesOf(operands, X);
  const reached = new Set([...result, ...others.flat()]);
  const wanted = operands[i]!.filter((label, k) => reached.has(label) && x.dims[k] === sizes.get(label));
  // Labels of an ellipsis have no letter of their own.
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const names = new Map([...new Set([...operands.flat(), ...result])].map((label, k) => [label, letters[k]!]));
  const term = (labels: readonly string[]): string => labels.map((label) => names.get(label)).join('');
  const equation = `${[result, ...others].map(term).join(',')}->${term(wanted)}`;
  const slope = g.Einsum(dY, ...X.filter((_, k) => k !== i), { equation });
  const placed = g.reshape(
    slope,
    operands[i]!.map((label, k) => (wanted.includes(label) ? x.dims[k]! : 1)),
  );
  return placed.dims.every((dim, k) => dim === x.dims[k]) ? placed : g.Expand(placed, [...x.dims]);
}
