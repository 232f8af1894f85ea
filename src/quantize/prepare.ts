/** Brings a model into the form that quantises best: batch norms and scales folded, constants in the open. */

import { removeDead } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { applyRules, type Rule, rules } from '../rewrite/index.ts';

const RULES = [
  'constant-to-initializer',
  'drop-identity',
  'drop-dropout',
  'drop-noop',
  'fold-known-integers',
  'fold-constant-layout',
  'fold-batch-norm',
  'fold-batch-norm-ahead',
  'fold-scale',
  'fold-scale-ahead',
  'matmul-add-to-gemm',
  'reduce-mean-to-global-average-pool',
  'merge-reshapes',
  'split-max-pool',
] as const;

/** The same function in the form that quantises best; it speaks the modern opset. */
export function prepare(model: Model): Model {
  const known: Readonly<Record<string, Rule>> = rules;
  const wanted = RULES.flatMap((name) => known[name] ?? []);
  const prepared = applyRules(model, wanted).model;
  // What a file states of inner values may be wrong (a batch of 1 where the input says N), and the engine would trust it.
  return { ...prepared, graph: { ...removeDead(prepared.graph), values: new Map() } };
}
