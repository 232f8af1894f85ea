/**
 * What a rule looks for: a node, what makes its inputs, and so on upwards.
 *
 *   node('Mul', [node('Sigmoid', [any('x')]), any('x')], { commutes: true })      x · σ(x), either way round
 */

import type { Attr, Node } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';

export interface NodePattern {
  readonly kind: 'node';
  readonly ops: readonly string[];
  readonly domain: string;
  /** Patterns of the first inputs; further inputs are free. */
  readonly inputs: readonly Pattern[];
  readonly as: string | undefined;
  readonly once: boolean;
  readonly commutes: boolean;
  readonly attrs: Readonly<Record<string, (attr: Attr | undefined) => boolean>>;
}

export type Pattern =
  | NodePattern
  | { readonly kind: 'any'; readonly as: string | undefined }
  | {
      readonly kind: 'constant';
      readonly as: string | undefined;
      readonly test: ((tensor: Tensor) => boolean) | undefined;
    }
  | { readonly kind: 'oneOf'; readonly choices: readonly Pattern[] };

export interface NodeOptions {
  /** The name under which the match holds the node (and its first output). */
  as?: string;
  /** Its outputs must have one reader and be no output of the graph; else the rule misses and says so. Default false. */
  once?: boolean;
  /** Two inputs may stand either way round. Default false. */
  commutes?: boolean;
  /** Default '' (ai.onnx). */
  domain?: string;
  attrs?: Readonly<Record<string, (attr: Attr | undefined) => boolean>>;
}

/** A node of one of these ops whose first inputs match. */
export const node = (
  ops: string | readonly string[],
  inputs: readonly Pattern[] = [],
  { as, once = false, commutes = false, domain = '', attrs = {} }: NodeOptions = {},
): NodePattern => ({
  kind: 'node',
  ops: typeof ops === 'string' ? [ops] : ops,
  domain,
  inputs,
  as,
  once,
  commutes,
  attrs,
});

/** Any value. The same name twice asks for the same value. */
export const any = (as?: string): Pattern => ({ kind: 'any', as });

/** An initialiser or a Constant's value, which passes `test`. */
export const constant = (as?: string, test?: (tensor: Tensor) => boolean): Pattern => ({ kind: 'constant', as, test });

/** The first of these that matches. */
export const oneOf = (...choices: readonly Pattern[]): Pattern => ({ kind: 'oneOf', choices });

/** Where a pattern was found. */
export interface Match {
  readonly root: Node;
  /** Nodes by the names that the pattern gives them. */
  readonly nodes: Readonly<Record<string, Node>>;
  /** Values by the names that the pattern gives them; a named node's is its first output. */
  readonly values: Readonly<Record<string, string>>;
  /** Nodes that must have a single reader. */
  readonly once: readonly Node[];
}

/** What a match needs to know of the graph. */
export interface Surroundings {
  readonly maker: (name: string) => Node | undefined;
  readonly constant: (name: string) => Tensor | undefined;
}

/** The first way in which the pattern fits at `root`, or undefined. */
export function matchAt(pattern: NodePattern, root: Node, around: Surroundings): Match | undefined {
  for (const found of fitNode(pattern, root, { root, nodes: {}, values: {}, once: [] }, around)) return found;
  return undefined;
}

function* fitNode(pattern: NodePattern, node: Node, match: Match, around: Surroundings): Generator<Match> {
  if (!pattern.ops.includes(node.op) || node.domain !== pattern.domain) return;
  for (const [key, test] of Object.entries(pattern.attrs)) if (!test(node.attrs[key])) return;
  const named = pattern.as === undefined ? match : bind(match, pattern.as, node.outputs[0]!, node);
  if (!named) return;
  const here = pattern.once && node !== match.root ? { ...named, once: [...named.once, node] } : named;
  yield* fitInputs(pattern.inputs, node.inputs, here, around);
  if (pattern.commutes && node.inputs.length === 2) {
    yield* fitInputs(pattern.inputs, [node.inputs[1]!, node.inputs[0]!], here, around);
  }
}

function* fitInputs(
  patterns: readonly Pattern[],
  inputs: readonly string[],
  match: Match,
  around: Surroundings,
): Generator<Match> {
  const [first, ...rest] = patterns;
  if (!first) {
    yield match;
    return;
  }
  const [name, ...others] = inputs;
  if (!name) return;
  for (const found of fitValue(first, name, match, around)) yield* fitInputs(rest, others, found, around);
}

function* fitValue(pattern: Pattern, name: string, match: Match, around: Surroundings): Generator<Match> {
  if (pattern.kind === 'oneOf') {
    for (const choice of pattern.choices) yield* fitValue(choice, name, match, around);
    return;
  }
  if (pattern.kind === 'node') {
    const maker = around.maker(name);
    if (maker && maker.outputs[0] === name) yield* fitNode(pattern, maker, match, around);
    return;
  }
  if (pattern.kind === 'constant') {
    const tensor = around.constant(name);
    if (!tensor || (pattern.test && !pattern.test(tensor))) return;
  }
  const found = pattern.as === undefined ? match : bind(match, pattern.as, name);
  if (found) yield found;
}

/** The match with one more name, or undefined when that name stands for something else already. */
function bind(match: Match, as: string, value: string, node?: Node): Match | undefined {
  const before = match.values[as];
  if (before !== undefined) return before === value ? match : undefined;
  return {
    ...match,
    values: { ...match.values, [as]: value },
    ...(node && { nodes: { ...match.nodes, [as]: node } }),
  };
}
