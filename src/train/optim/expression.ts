/**
 * The language in which an update rule is written: one number per weight, plus numbers that are the same for all weights.
 *
 *   slot     a number per weight: `g` (gradient), `w` (weight), or state such as `adam.m`      float32
 *   scalar   a number per step: learning rate, step count, a norm                             float64
 *   uniform  an expression of constants and scalars only: worked out once per step, in float64, then rounded to float32
 *
 * Equal expressions are one object (hash-consing), so a common sub-expression is computed once.
 */

/** What each operation means on numbers, and how many it takes. `pow`, `exp` and `log` are for uniform expressions only. */
export const meaning = {
  add: (a: number, b: number) => a + b,
  sub: (a: number, b: number) => a - b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => a / b,
  min: (a: number, b: number) => Math.min(a, b),
  max: (a: number, b: number) => Math.max(a, b),
  neg: (a: number) => -a,
  abs: (a: number) => Math.abs(a),
  sqrt: (a: number) => Math.sqrt(a),
  /** a > b ? x : y */
  ifGreater: (a: number, b: number, x: number, y: number) => (a > b ? x : y),
  pow: (a: number, b: number) => a ** b,
  exp: (a: number) => Math.exp(a),
  log: (a: number) => Math.log(a),
} as const;

export type Operation = keyof typeof meaning;

export type Expression =
  | { readonly kind: 'constant'; readonly value: number; readonly uniform: true }
  | { readonly kind: 'scalar'; readonly name: string; readonly uniform: true }
  | { readonly kind: 'slot'; readonly name: string; readonly uniform: false }
  | {
      readonly kind: 'operation';
      readonly op: Operation;
      readonly args: readonly Expression[];
      readonly uniform: boolean;
    };

/** An expression, or a number that stands for the constant. */
export type Term = Expression | number;

/** Builds expressions. Two builders never share nodes. */
export interface Builder {
  constant(value: number): Expression;
  scalar(name: string): Expression;
  slot(name: string): Expression;
  add(a: Term, b: Term): Expression;
  sub(a: Term, b: Term): Expression;
  mul(a: Term, b: Term): Expression;
  /** a / b; where only b is uniform, a · (1 / b), which is as exact to one rounding and four times faster. */
  div(a: Term, b: Term): Expression;
  min(a: Term, b: Term): Expression;
  max(a: Term, b: Term): Expression;
  neg(a: Term): Expression;
  abs(a: Term): Expression;
  sqrt(a: Term): Expression;
  square(a: Term): Expression;
  /** 1, 0 or −1; NaN stays NaN. */
  sign(a: Term): Expression;
  /** a > b ? x : y; both are computed. */
  ifGreater(a: Term, b: Term, x: Term, y: Term): Expression;
  /** a to the power of b, both uniform. */
  pow(a: Term, b: Term): Expression;
  /** e to the power of a uniform. */
  exp(a: Term): Expression;
  /** Natural logarithm of a uniform. */
  log(a: Term): Expression;
}

/** A fresh builder with an empty table of known expressions. */
export function builder(): Builder {
  const known = new Map<string, Expression>();
  const number = new Map<Expression, number>();

  const intern = (key: string, make: () => Expression): Expression => {
    let found = known.get(key);
    if (!found) {
      found = make();
      known.set(key, found);
      number.set(found, number.size);
    }
    return found;
  };
  const constant = (value: number): Expression =>
    intern(`#${Object.is(value, -0) ? '-0' : value}`, () => ({ kind: 'constant', value, uniform: true }));
  const lift = (term: Term): Expression => (typeof term === 'number' ? constant(term) : term);
  const apply = (op: Operation, ...terms: Term[]): Expression => {
    const args = terms.map(lift);
    if (args.every((arg) => arg.kind === 'constant')) return constant(compute(op, args.map(constantOf)));
    return intern(`${op} ${args.map((arg) => number.get(arg)).join(' ')}`, () => ({
      kind: 'operation',
      op,
      args,
      uniform: args.every((arg) => arg.uniform),
    }));
  };
  const is = (term: Term, value: number): boolean => {
    const node = lift(term);
    return node.kind === 'constant' && node.value === value;
  };

  const e: Builder = {
    constant,
    scalar: (name) => intern(`$${name}`, () => ({ kind: 'scalar', name, uniform: true })),
    slot: (name) => intern(`@${name}`, () => ({ kind: 'slot', name, uniform: false })),
    add: (a, b) => (is(a, 0) ? lift(b) : is(b, 0) ? lift(a) : apply('add', a, b)),
    sub: (a, b) => (is(b, 0) ? lift(a) : apply('sub', a, b)),
    mul: (a, b) => (is(a, 1) ? lift(b) : is(b, 1) ? lift(a) : apply('mul', a, b)),
    div: (a, b) => {
      if (is(b, 1)) return lift(a);
      return lift(b).uniform && !lift(a).uniform ? e.mul(a, apply('div', 1, b)) : apply('div', a, b);
    },
    min: (a, b) => apply('min', a, b),
    max: (a, b) => apply('max', a, b),
    neg: (a) => apply('neg', a),
    abs: (a) => apply('abs', a),
    sqrt: (a) => apply('sqrt', a),
    square: (a) => apply('mul', a, a),
    sign: (a) => e.ifGreater(a, 0, 1, e.ifGreater(0, a, -1, a)),
    ifGreater: (a, b, x, y) => apply('ifGreater', a, b, x, y),
    pow: (a, b) => apply('pow', a, b),
    exp: (a) => apply('exp', a),
    log: (a) => apply('log', a),
  };
  return e;
}

const constantOf = (node: Expression): number => (node.kind === 'constant' ? node.value : Number.NaN);
const compute = (op: Operation, args: readonly number[]): number =>
  (meaning[op] as (...args: readonly number[]) => number)(...args);

/**
 * Prepares uniform expressions to be worked out again and again, in float64; common parts once.
 *
 * `scalars` answers for each name; a slot inside has no single value and gives NaN.
 */
export function evaluator(roots: readonly Expression[]): (scalars: (name: string) => number) => number[] {
  const nodes = walk(roots);
  const place = new Map(nodes.map((node, i) => [node, i]));
  const values = new Float64Array(nodes.length);
  const results = roots.map((root) => place.get(root)!);
  const updates: ((scalars: (name: string) => number) => void)[] = [];
  nodes.forEach((node, i) => {
    if (node.kind === 'constant') values[i] = node.value;
    else if (node.kind === 'slot') values[i] = Number.NaN;
    else if (node.kind === 'scalar') {
      updates.push((scalars) => {
        values[i] = scalars(node.name);
      });
    } else {
      const [a = 0, b = 0, x = 0, y = 0] = node.args.map((arg) => place.get(arg)!);
      const means = meaning[node.op] as (a: number, b: number, x: number, y: number) => number;
      updates.push(() => {
        values[i] = means(values[a]!, values[b]!, values[x]!, values[y]!);
      });
    }
  });
  return (scalars) => {
    for (const update of updates) update(scalars);
    return results.map((i) => values[i]!);
  };
}

/** The value of one uniform expression, once. */
export const evaluate = (root: Expression, scalars: (name: string) => number): number => evaluator([root])(scalars)[0]!;

/** Every node under the roots, each once, arguments before their users. */
export function walk(roots: Iterable<Expression>): Expression[] {
  const seen = new Set<Expression>();
  const visit = (node: Expression): void => {
    if (seen.has(node)) return;
    if (node.kind === 'operation') node.args.forEach(visit);
    seen.add(node);
  };
  for (const root of roots) visit(root);
  return [...seen];
}
