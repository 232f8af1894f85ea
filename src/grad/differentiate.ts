/**
 * Reverse-mode differentiation as a rewrite: the slopes become further nodes of the same graph.
 *
 *   slope(x) = Σ over the readers y of x:  (∂y/∂x)ᵀ · slope(y),      slope(loss) = 1
 *
 * It knows order, liveness and addition; the rows know calculus.
 */

import { PareError } from '../base/error.ts';
import { isStatic, showDims } from '../graph/dim.ts';
import { isFloat } from '../graph/dtype.ts';
import { readsOf } from '../graph/edit.ts';
import type { Graph, Node } from '../graph/model.ts';
import { type Builder, draft } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, type Facts, infer, slotAt } from '../ops/infer.ts';
import type { Named, Row, StaticValue } from '../ops/op.ts';
import { expand } from './expand.ts';
import { holdIntegers } from './hold-integers.ts';

export interface Differentiated {
  /** The graph with the nodes of the slopes behind its own. Dead ones are still there: `removeDead` after choosing outputs. */
  readonly graph: Graph;
  /** The value that holds each wanted slope. A value that the loss does not depend on has none. */
  readonly slopes: ReadonlyMap<string, string>;
  readonly facts: Facts;
}

/**
 * Slopes of a scalar loss with respect to the wanted values (weights or inputs).
 *
 * All dimensions must be numbers: bind symbols first (`infer`'s `symbols`).
 * Throws   grad/missing for an op on the way whose row has no gradient, or that has no row;
 *          grad/symbolic for a dimension that is not a number.
 */
export function differentiate(
  graph: Graph,
  loss: string,
  wanted: Iterable<string>,
  facts: Facts = infer(graph),
): Differentiated {
  const asked = new Set(wanted); // once: it may be an iterator
  const parts = expand(graph, facts);
  const among = parts === graph ? facts : infer(parts, {}, facts);
  const whole = holdIntegers(parts, among, downstream(parts, asked));
  const known = whole === parts ? among : infer(whole, {}, facts);
  const live = downstream(whole, asked);
  const building = draft(whole, known);
  const { g } = building;
  const slopes = new Map<string, StaticValue>([[loss, g.scalar(1)]]);

  for (const node of whole.nodes.toReversed()) {
    if (!node.outputs.some((name) => slopes.has(name) && live.has(name))) continue;
    const rule = ruleOf(node);
    if (rule === 'none') continue;
    const answer = rule.grad(valuesOf(node, rule.row, g, slopes), attrsOf(rule.row, node), g);
    node.inputs.forEach((name, i) => {
      if (name === '' || !live.has(name) || !isFloat(g.of(name).dtype)) return;
      const given = answer[slotAt(rule.row.inputs, i)];
      const slope = (Array.isArray(given) ? given[i - rule.row.inputs.length + 1] : given) as StaticValue | undefined;
      if (!slope) return;
      const before = slopes.get(name);
      slopes.set(name, before ? g.Add(before, slope) : slope);
    });
  }
  const found = [...asked].flatMap((name): [string, string][] =>
    slopes.has(name) ? [[name, slopes.get(name)!.name]] : [],
  );
  const done = building.finish();
  return { graph: done, slopes: new Map(found), facts: known };
}

/** The values that depend on a wanted one, those included. */
function downstream(graph: Graph, wanted: ReadonlySet<string>): Set<string> {
  const live = new Set(wanted);
  for (const node of graph.nodes) {
    // What a sub-graph takes from around it counts, too: a loop over a weight depends on it.
    if (readsOf(node).some((name) => live.has(name))) for (const output of node.outputs) live.add(output);
  }
  return live;
}

function ruleOf(node: Node): 'none' | { row: Row; grad: Exclude<Row['grad'], string> } {
  const row = rowOf(node);
  if (row?.grad === 'none' && !row.decompose) return 'none';
  if (row && typeof row.grad === 'function') return { row, grad: row.grad };
  throw new PareError('grad/missing', `${node.op} "${node.name}" cannot be differentiated.`, {
    where: node.name || node.outputs[0] || node.op,
    expected: 'an op with a gradient between the loss and what is trained',
    got: row
      ? `${node.op}${row.decompose ? ' in a form' : ','} whose gradient is not written`
      : `${node.domain || 'ai.onnx'} ${node.op}, which Pare carries but does not know`,
    hint: Object.values(node.attrs).some(({ kind }) => kind === 'graph')
      ? 'its condition and its number of turns must be constants, or one number that the data gives for all samples; or freeze what comes before and inside this node'
      : 'freeze what comes before this node, or train a part of the model that does not pass it',
  });
}

/** Inputs, outputs and slopes of a node by slot: X, Y, dY. */
function valuesOf(node: Node, row: Row, g: Builder, slopes: ReadonlyMap<string, StaticValue>): Named<StaticValue> {
  const read = (name: string): StaticValue | undefined => {
    if (name === '') return undefined;
    const value = g.of(name);
    if (isStatic(value.dims)) return value;
    throw new PareError(
      'grad/symbolic',
      `The value "${name}" has a dimension that is not a number: ${showDims(value.dims)}.`,
      {
        where: node.name,
        hint: 'give the sizes of the symbolic dimensions, such as the batch',
      },
    );
  };
  const slopeSlots = row.outputs.map((slot) => (slot.startsWith('...') ? `...d${slot.slice(3)}` : `d${slot}`));
  const isVariadic = slopeSlots.some((slot) => slot.startsWith('...'));
  const outSlopes = node.outputs.map((name) => slopes.get(name));
  return {
    ...bySlot(row.inputs, node.inputs.map(read)),
    ...bySlot(row.outputs, node.outputs.map(read)),
    // A variadic slot keeps its holes: which output has no slope matters.
    ...(isVariadic ? { [slopeSlots[0]!.slice(3)]: outSlopes as StaticValue[] } : bySlot(slopeSlots, outSlopes)),
  };
}
