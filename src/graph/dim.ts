/**
 * Arithmetic on dimensions: numbers are computed, symbols are kept as expressions, null (unknown) stays unknown.
 *
 *   a product of symbols is written "2*N*T"; anything else as "(N+1)", "floor(N/2)": equal text means equal size
 */

import type { Dim } from './model.ts';

/** A product: a number times symbols (each with its multiplicity), or undefined when some factor is unknown. */
interface Product {
  factor: number;
  symbols: string[];
}

const productOf = (dims: readonly Dim[]): Product | undefined => {
  const product: Product = { factor: 1, symbols: [] };
  for (const dim of dims) {
    if (dim === null) return undefined;
    if (typeof dim === 'number') product.factor *= dim;
    else
      for (const part of splitFactors(dim)) {
        if (/^\d+$/.test(part)) product.factor *= Number(part);
        else product.symbols.push(part);
      }
  }
  product.symbols.sort();
  return product;
};

/** "2*N*(T+1)" → ["2", "N", "(T+1)"]: splits at the asterisks outside brackets. */
const splitFactors = (text: string): string[] => {
  const parts = [''];
  let depth = 0;
  for (const char of text) {
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === '*' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts;
};

const write = ({ factor, symbols }: Product): Dim =>
  symbols.length === 0 || factor === 0 ? factor : [...(factor === 1 ? [] : [`${factor}`]), ...symbols].join('*');

/** A known dimension as a number, given one for each of its factors that is none. */
export const numberOf = (dim: string | number, symbol: (name: string) => number): number => {
  const { factor, symbols } = productOf([dim])!;
  return symbols.reduce((product, name) => product * symbol(name), factor);
};

/** Product of dimensions; 1 for none. */
export function times(...dims: readonly Dim[]): Dim {
  const product = productOf(dims);
  return product ? write(product) : null;
}

/** a / b where it divides without rest, "floor(a/b)" where that cannot be told. */
export function over(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b);
  const top = productOf([a]);
  const bottom = productOf([b]);
  if (!top || !bottom) return null;
  const left = [...top.symbols];
  for (const symbol of bottom.symbols) {
    const at = left.indexOf(symbol);
    if (at < 0) return `floor(${a}/${b})`;
    left.splice(at, 1);
  }
  if (top.factor % bottom.factor !== 0) return `floor(${a}/${b})`;
  return write({ factor: top.factor / bottom.factor, symbols: left });
}

/** a + b. */
export function plus(a: Dim, b: Dim): Dim {
  if (a === null || b === null) return null;
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  if (a === b) return times(2, a);
  const offset = typeof b === 'number' ? /^\((.+)([+-]\d+)\)$/.exec(`${a}`) : null;
  if (offset) return plus(offset[1]!, Number(offset[2]) + (b as number));
  return typeof b === 'number' ? `(${a}${b < 0 ? '' : '+'}${b})` : typeof a === 'number' ? plus(b, a) : `(${a}+${b})`;
}

/** a − b. */
export function minus(a: Dim, b: Dim): Dim {
  if (a === null || b === null) return null;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (a === b) return 0;
  return typeof b === 'number' ? plus(a, -b) : `(${a}-${b})`;
}

/** Are these certainly the same size? */
export const same = (a: Dim, b: Dim): boolean => a !== null && a === b;

/** Is every dimension a number? */
export const isStatic = (dims: readonly Dim[] | undefined): dims is readonly number[] =>
  dims !== undefined && dims.every((dim) => typeof dim === 'number');

/** The size of one axis after numpy broadcasting. Unknown against a number above 1 is that number. */
function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b;
  if (b === 1 || a === b) return a;
  if (typeof a === 'number' && typeof b === 'number') return undefined;
  if (typeof a === 'number') return a;
  if (typeof b === 'number') return b;
  return a === null || b === null ? null : a;
}

/** Dimensions after numpy broadcasting, or undefined when they do not fit. */
export function broadcast(...shapes: readonly (readonly Dim[])[]): Dim[] | undefined {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const out: Dim[] = new Array<Dim>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const at = rank - shape.length + i;
      const dim = broadcastDim(out[at]!, shape[i]!);
      if (dim === undefined) return undefined;
      out[at] = dim;
    }
  }
  return out;
}

/** "[N, 3, 224, 224]"; an unknown dimension shows as ?. */
export const showDims = (dims: readonly Dim[] | undefined): string =>
  dims === undefined ? '[…]' : `[${dims.map((dim) => dim ?? '?').join(', ')}]`;

/** Replaces symbols by numbers inside an expression and computes what can be computed. */
export function bind(dim: Dim, symbols: Readonly<Record<string, number>>): Dim {
  if (typeof dim !== 'string') return dim;
  if (Object.hasOwn(symbols, dim)) return symbols[dim]!;
  return over(times(...splitFactors(dim).map((part) => (Object.hasOwn(symbols, part) ? symbols[part]! : part))), 1);
}
