/** A rewrite rule: what it looks for, when it holds back and why, what it puts in place. */

import type { Graph, Model, Node } from '../graph/model.ts';
import type { Builder } from '../ops/builder.ts';
import { draft } from '../ops/builder.ts';
import type { StaticValue } from '../ops/op.ts';
import type { Edit, Net } from './net.ts';
import type { Match, NodePattern } from './pattern.ts';

/** What stands where the root of a match stood. */
export interface Replacement {
  /** The values that take the place of the root's outputs, in order; undefined where that output has no reader. */
  readonly outputs: readonly (string | undefined)[];
  /** What was done, in a few words, for the report. */
  readonly why: string;
}

export interface PatternRule {
  readonly kind: 'pattern';
  readonly name: string;
  /** One sentence: what becomes what. */
  readonly about: string;
  /** What to look for; of several, the first that fits. */
  readonly pattern: NodePattern | readonly NodePattern[];
  /** What a pattern cannot say. Where it is false, nothing was found, and nothing is reported. */
  readonly where?: (match: Match, net: Net) => boolean;
  /** Why the rule holds back here, or undefined when it fires. */
  readonly check: (match: Match, net: Net) => string | undefined;
  readonly rewrite: (match: Match, edit: Edit) => Replacement;
  readonly samples: readonly RuleSample[];
}

/** A rule that looks at the whole graph at once. */
export interface SweepRule {
  readonly kind: 'sweep';
  readonly name: string;
  readonly about: string;
  /** Edits what it can; returns what it did. */
  readonly sweep: (edit: Edit) => readonly Firing[];
  readonly samples: readonly RuleSample[];
}

export type Rule = PatternRule | SweepRule;

/** One thing that a rule did, or did not do. */
export interface Firing {
  readonly rule: string;
  /** The node's name, or its first output where it has none. */
  readonly node: string;
  readonly why: string;
}

/** A small graph on which the contract suite tries a rule. */
export interface RuleSample {
  readonly about: string;
  /** Makes the graph; what it returns are the outputs. */
  readonly build: (g: Builder) => StaticValue | readonly StaticValue[];
  /** Does the rule fire here? Default true. */
  readonly fires?: boolean;
  /** The ops that remain, in order. */
  readonly leaves?: string;
  /** Version of ai.onnx. Default 21. */
  readonly opset?: number;
}

/** Declares a rule with a pattern. */
export const rule = (spec: Omit<PatternRule, 'kind'>): PatternRule => ({ kind: 'pattern', ...spec });

/** Declares a rule that looks at the whole graph. */
export const sweep = (spec: Omit<SweepRule, 'kind'>): SweepRule => ({ kind: 'sweep', ...spec });

/** The name by which reports call a node. */
export const called = (node: Node): string => node.name || node.outputs.find((name) => name !== '') || node.op;

/** The model of a sample. */
export function sampleModel({ build, opset = 21 }: RuleSample): Model {
  const building = draft();
  const made = build(building.g);
  const outputs = (Array.isArray(made) ? made : [made]) as readonly StaticValue[];
  const graph: Graph = building.finish(
    outputs.map(({ name, dtype, dims }) => ({ name, type: { kind: 'tensor', dtype, dims } })),
  );
  return {
    ir: opset > 21 ? 11 : 10,
    opsets: { '': opset, 'com.microsoft': 1 },
    graph,
    producer: { name: 'pare', version: '' },
    metadata: {},
  };
}
