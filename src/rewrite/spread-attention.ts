/** Attention over heads that an exporter spread out, from what it reads to where its heads are put together again. */

import type { Node } from '../graph/model.ts';
import { isAddable, isCausal } from './attention-mask.ts';
import { intsAttr, numberAttr, uniform } from './attribute.ts';
import type { Net } from './net.ts';
import { any, constant, type Match, node, oneOf } from './pattern.ts';
import { type ProjectedHeads, projectedHeads } from './projected-heads.ts';
import { called } from './rule.ts';

/** So many nodes may lie between heads and a shape that is read of them. */
const SHAPE_STEPS = 8;
/** A score this low weighs nothing. */
const NEVER = -1e4;

const plain = node('MatMul', [any('q'), any('k')], { as: 'product' });
const product = oneOf(
  node('Mul', [plain, constant('factor')], { commutes: true }),
  node('Div', [plain, constant('divisor')]),
  plain,
);
const masked = [
  node('Where', [any('seen'), product, any('never')], { as: 'masked' }),
  node('Where', [any('hidden'), any('never'), product], { as: 'masked' }),
  node('Add', [product, any('mask')], { commutes: true, as: 'masked' }),
];
const weights = node('Softmax', [oneOf(...masked, product)], { as: 'weights' });
const heads = node('MatMul', [weights, any('v')], { as: 'heads' });

/** How [B, H, L, d] is turned before heads are put together: [B, L, H, d], or with places before the batch. */
const PLACES_SECOND = '0,2,1,3';
export const PLACES_FIRST = '2,0,1,3';

/** Reshape of Transpose of softmax(factor · Q · K) · V, with or without a mask. */
export const spreadAttention = node('Reshape', [node('Transpose', [heads], { as: 'back' })]);

/** Are the axes those of attention? */
export const isOverKeys = ({ nodes: { back, weights: softmax } }: Match): boolean =>
  [PLACES_SECOND, PLACES_FIRST].includes(`${intsAttr(back!, 'perm')}`) &&
  [-1, 3].includes(numberAttr(softmax!, 'axis', -1));

export interface Attention {
  readonly q: ProjectedHeads;
  readonly k: ProjectedHeads;
  readonly v: ProjectedHeads;
  readonly scale: number;
  readonly isCausal: boolean;
  /** What is added to the scores: [1 or B, 1 or H, 1 or L, L]. */
  readonly added: string | undefined;
}

/** What was spread out, or why it is no attention of one input. */
export function readAttention(match: Match, net: Net): Attention | string {
  const { values: found, root } = match;
  const q = projectedHeads(found['q']!, net);
  const k = projectedHeads(found['k']!, net, true);
  const v = projectedHeads(found['v']!, net);
  if (!q || !k || !v) return 'queries, keys or values are not columns of one product';
  if (q.x !== k.x || q.x !== v.x) return 'queries, keys and values are made of different inputs';
  if (q.heads !== k.heads || q.heads !== v.heads || q.depth !== k.depth) return 'heads differ';
  if (q.depth !== v.depth) return 'values are wider than keys';
  const scores = scoresFactor(match, net);
  if (scores === undefined || v.factor !== 1) return 'a factor is not one number, or is of the values';
  const mask = found['seen'] ?? found['hidden'] ?? found['mask'];
  const isCausal = mask !== undefined && causal(match, mask, net);
  const added = isCausal ? undefined : mask;
  if (added !== undefined && !isAddable(added, net.dims(match.nodes['masked']!.outputs[0]!), net))
    return `"${added}" is neither causal nor added to all scores`;
  if (net.dims(root.outputs[0]!)?.at(-1) !== q.heads * q.depth) return 'the heads are not put together again';
  if (net.fact(q.x)?.dtype !== 'float32') return `its input is ${net.fact(q.x)?.dtype ?? 'not known'}`;
  const gone = between(root, new Set([q.x, ...(mask === undefined ? [] : [mask])]), net);
  // Whoever only reads a shape, for those that go, goes with them.
  const goes = (reader: Node, steps = SHAPE_STEPS): boolean =>
    reader === root ||
    gone.has(reader) ||
    (steps > 0 &&
      reader.outputs.every(
        (name) => !net.isOutput(name) && net.readers(name).every((further) => goes(further, steps - 1)),
      ));
  const kept = [...gone].find(({ outputs }) =>
    outputs.some((name) => net.isOutput(name) || !net.readers(name).every((reader) => goes(reader))),
  );
  if (kept) return `"${called(kept)}" is read elsewhere too`;
  return { q, k, v, scale: q.factor * k.factor * scores, isCausal, added };
}

/** What the scores are multiplied by behind the product. */
function scoresFactor({ values: { factor, divisor } }: Match, net: Net): number | undefined {
  const number = uniform(factor ?? divisor, net);
  if (factor === undefined && divisor === undefined) return 1;
  return number !== undefined && divisor !== undefined ? 1 / number : number;
}

/** The nodes behind these values that make what a node reads, its shapes aside. */
function between(root: Node, from: ReadonlySet<string>, net: Net): Set<Node> {
  const found = new Set<Node>();
  const open = [root];
  for (const node of open) {
    for (const name of node.inputs) {
      const isPart = !from.has(name) && net.fact(name)?.dtype === 'float32';
      const maker = isPart ? net.maker(name) : undefined;
      if (!maker || found.has(maker)) continue;
      found.add(maker);
      open.push(maker);
    }
  }
  return found;
}

function causal({ values: found, nodes }: Match, mask: string, net: Net): boolean {
  const scores = net.dims(nodes['masked']!.outputs[0]!);
  const never = found['never'] === undefined ? NEVER : uniform(found['never'], net);
  if (!scores || never === undefined || never > NEVER) return false;
  const isSeen = (value: number): boolean | undefined => {
    if (found['mask'] === undefined) return (value !== 0) === (found['seen'] !== undefined);
    return value === 0 ? true : value <= NEVER ? false : undefined;
  };
  return isCausal(mask, scores, isSeen, net);
}
