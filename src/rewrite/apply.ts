/** Runs rules over a model until none fires any more. */

import { internal } from '../base/error.ts';
import { checkGraph } from '../graph/check.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { modernize } from '../ops/modern.ts';
import type { Edit } from './net.ts';
import { openNet } from './open-net.ts';
import { matchAt } from './pattern.ts';
import { called, type Firing, type PatternRule, type Rule } from './rule.ts';

export interface RewriteReport {
  /** What the rules did, in order. */
  readonly fired: readonly Firing[];
  /** Where a rule's pattern fits the finished graph, but the rule holds back, and why. */
  readonly missed: readonly Firing[];
}

export interface Rewritten {
  readonly model: Model;
  readonly report: RewriteReport;
}

/** More rounds than this mean that two rules undo each other. */
const ROUNDS = 200;

/**
 * The model after the rules, which run to a fixed point: first come, first served, in the order given.
 *
 * Names of graph inputs and outputs stay; sub-graphs stay as they are; so do other values' names where they survive.
 * The result speaks the modern opset (see ops/modern.ts). Weights that the rules do not touch are shared.
 *
 * Throws   shape/… when the model contradicts itself; internal/bug when two rules undo each other.
 */
export function applyRules(model: Model, rules: readonly Rule[]): Rewritten {
  const modern = modernize(model);
  const edit = openNet(modern.graph, modern.opsets[''] ?? 0);
  const fired: Firing[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const missed: Firing[] = [];
    const before = fired.length;
    for (const rule of rules) {
      if (rule.kind === 'sweep') fired.push(...rule.sweep(edit));
      else runPattern(rule, edit, fired, missed);
    }
    if (fired.length > before) continue;
    const graph = edit.finish();
    const rewritten = { ...modern, opsets: opsetsOf(modern, graph), graph };
    if (fired.length > 0) checkGraph(rewritten);
    return { model: rewritten, report: { fired, missed } };
  }
  const last = [...new Set(fired.slice(-8).map(({ rule }) => rule))].join(', ');
  throw internal(`the rewrite rules ${last} do not come to an end`);
}

/** With the domains of nodes that rules made. */
function opsetsOf({ opsets }: Model, { nodes }: Graph): Model['opsets'] {
  const fresh = nodes.filter(({ domain }) => opsets[domain] === undefined).map(({ domain }) => [domain, 1] as const);
  return fresh.length === 0 ? opsets : { ...opsets, ...Object.fromEntries(fresh) };
}

function runPattern(rule: PatternRule, edit: Edit, fired: Firing[], missed: Firing[]): void {
  const alive = (node: Node): boolean => node.outputs.some((name) => name !== '' && edit.maker(name) === node);
  const patterns = [rule.pattern].flat();
  for (const node of [...edit.nodes()]) {
    if (!patterns.some(({ ops }) => ops.includes(node.op)) || !alive(node)) continue;
    const match = patterns
      .map((pattern) => matchAt(pattern, node, edit))
      .find((found) => found && rule.where?.(found, edit) !== false);
    if (!match) continue;
    const note = (why: string): Firing => ({ rule: rule.name, node: called(node), why });
    const reason = sharedReason(match.once, edit) ?? rule.check(match, edit);
    if (reason !== undefined) {
      missed.push(note(reason));
      continue;
    }
    const { outputs, why } = rule.rewrite(match, edit);
    const refused = edit.replace(node, outputs);
    if (refused === undefined) fired.push(note(why));
    else missed.push(note(refused));
  }
}

function sharedReason(nodes: readonly Node[], edit: Edit): string | undefined {
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (edit.isOutput(name)) return `"${name}" is an output of the graph`;
      if (edit.isReadInside(name)) return `"${name}" is read by a sub-graph`;
      const count = edit.readers(name).length;
      if (count > 1) return `"${name}" has ${count} readers`;
    }
  }
  return undefined;
}
