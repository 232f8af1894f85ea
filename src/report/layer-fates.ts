/** What became of each layer: in words from the two graphs, in milliseconds from the engine's profile. */

import { producers } from '../graph/edit.ts';
import type { Graph, Model } from '../graph/model.ts';
import type { Feeds } from '../runtime/engine.ts';
import type { Lab } from '../runtime/lab.ts';
import { loadModel } from '../runtime/load-model.ts';
import { quantile } from '../runtime/measure.ts';
import { compareLayers, type LayerChange, layersOf } from './layers.ts';
import type { LayerFate } from './search.ts';

/** Runs that are profiled. */
const RUNS = 7;

/** Every layer of either model, with what was done to it and its time. */
export async function layerFates(before: Model, after: Model, feeds: Feeds, lab: Lab): Promise<LayerFate[]> {
  const [old, now] = [await layerTimes(before, feeds, lab), await layerTimes(after, feeds, lab)];
  const integers = onIntegers(after.graph);
  return compareLayers(before, after).map((change) => ({
    name: change.name,
    op: change.op,
    what: fateOf(change, integers),
    ...(old.has(change.name) && { beforeMs: old.get(change.name)! }),
    ...(now.has(change.name) && { afterMs: now.get(change.name)! }),
  }));
}

function fateOf({ name, before, after }: LayerChange, integers: ReadonlySet<string>): string {
  if (!after) return 'gone: merged into another, or removed';
  if (!before) return integers.has(name) ? 'new, computes with integers' : 'new';
  const parts: string[] = [];
  const share = before.parameters > 0 ? after.parameters / before.parameters : 1;
  if (share < 0.995) parts.push(`${(share * 100).toFixed(0)} % of its weights stay`);
  if (integers.has(name)) parts.push('computes with integers');
  else if (after.parameters > 0 && after.bytes / after.parameters < 1.6) parts.push('weights stored in 8 bits');
  else if (after.parameters > 0 && after.bytes / after.parameters < 3) parts.push('weights stored in 16 bits');
  return parts.join(', ') || 'as it was';
}

/** Nodes that the engine is asked to compute on integers: all that comes in was quantised. */
export function onIntegers(graph: Graph): Set<string> {
  const made = producers(graph);
  const isInteger = (value: string): boolean => made.get(value)?.op === 'DequantizeLinear';
  return new Set(
    graph.nodes
      .filter(({ inputs }) => inputs.length > 1 && inputs.slice(0, 2).every(isInteger))
      .map(({ name, outputs }) => name || (outputs[0] ?? '')),
  );
}

/**
 * Milliseconds of each layer in one run, on one thread: medians of the engine's profile; empty where it has none.
 *
 * The engine names a fused node after the node, or after the value that it writes; what follows a layer (an activation,
 * a reorder) and was fused into it counts as the layer's.
 */
async function layerTimes(model: Model, feeds: Feeds, lab: Lab): Promise<ReadonlyMap<string, number>> {
  using session = await loadModel(lab.engine, model, { threads: 1, profile: true });
  if (!session.profile) return new Map();
  for (let run = 0; run < RUNS; run++) await session.run(feeds, undefined, lab.signal);
  const layers = layersOf(model);
  const layerAt = layerFinder(model.graph, layers);
  const samples = new Map<string, number[]>();
  for (const { node, durationUs } of session.profile()) {
    const layer = layerAt(node);
    if (layer === undefined) continue;
    const list = samples.get(layer);
    if (list) list.push(durationUs);
    else samples.set(layer, [durationUs]);
  }
  return new Map([...samples].map(([name, own]) => [name, quantile(own, 0.5) / 1000]));
}

function layerFinder(graph: Graph, layers: ReadonlyMap<string, unknown>): (event: string) => string | undefined {
  const made = producers(graph);
  const nameOf = ({ name, outputs }: Graph['nodes'][number]): string => name || (outputs[0] ?? '');
  return (event) => {
    const plain = event.replace(/_kernel_time$/, '').replace(/(_nchwc|_token_\d+|_quant)+$/, '');
    if (layers.has(plain)) return plain;
    for (let node = made.get(plain), steps = 0; node && steps < 4; steps++) {
      if (layers.has(nameOf(node))) return nameOf(node);
      node = made.get(node.inputs[0] ?? '');
    }
    return undefined;
  };
}
