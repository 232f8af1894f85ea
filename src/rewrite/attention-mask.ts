/** Masks of attention: what lets each place see itself and what is before it, and what is added to the scores as it is. */

import type { Dim } from '../graph/model.ts';
import { numbers, sizeOf, type Tensor } from '../graph/tensor.ts';
import { knownInts } from './attribute.ts';
import type { Net } from './net.ts';

/**
 * Does a mask over scores of these dimensions let every place see itself and what is before it, and nothing else? `isSeen` reads its elements;
 * undefined for one that says neither.
 */
export function isCausal(
  name: string,
  dims: readonly Dim[],
  isSeen: (value: number) => boolean | undefined,
  net: Net,
): boolean {
  const own = net.dims(name);
  if (!own || own.length < 2 || own.slice(0, -2).some((dim) => dim !== 1)) return false;
  if (own.at(-1) === null || own.at(-1) !== dims.at(-1) || own.at(-2) !== dims.at(-2) || own.at(-1) !== own.at(-2))
    return false;
  const table = net.constant(name) ?? cornerOf(name, net);
  const size = table?.dims.at(-1) ?? 0;
  if (!table || table.dtype === 'string' || sizeOf(table.dims) !== size * size) return false;
  const all = numbers(table);
  return all.every((value, i) => isSeen(value) === i % size <= Math.floor(i / size));
}

/** The constant whose upper left corner a value is. */
function cornerOf(name: string, net: Net): Tensor | undefined {
  const slice = net.maker(name);
  if (slice?.op !== 'Slice' || !knownInts(slice.inputs[1], net)?.every((start) => start === 0)) return undefined;
  if (slice.inputs[4] && !knownInts(slice.inputs[4], net)?.every((step) => step === 1)) return undefined;
  return net.constant(slice.inputs[0]!) ?? cornerOf(slice.inputs[0]!, net);
}

/** Can it be added to scores of these dimensions as it is: with all of their axes, the keys in full? */
export function isAddable(name: string, scores: readonly Dim[] | undefined, net: Net): boolean {
  const own = net.dims(name);
  return (
    own?.length === 4 &&
    own.every((dim, i) => dim !== null && (dim === scores?.[i] || (i < 3 && dim === 1))) &&
    net.fact(name)?.dtype === 'float32'
  );
}
