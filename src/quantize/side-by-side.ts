/**
 * Small networks answer several batches at a time, a thread each: threads that share one run wait for each other after every node. On two cores
 * 300 images through resnet20_cifar10 take 0.7 of the time, and samples are read meanwhile.
 */

import { fixedBatch } from '../data/port.ts';
import { bytesPerSample } from '../data/sample-bytes.ts';
import type { Graph } from '../graph/model.ts';
import type { Facts } from '../ops/infer.ts';
import type { Lab } from '../runtime/index.ts';

/** Bytes of the largest value over all runs in flight: above, they would take memory, and share their threads well. */
const ROOM = 2 ** 27;
/** Bytes of answers that are kept until another model has answered too. */
const BRIEF = 2 ** 25;
/** Of the four threads on which a process waits for the engine and for files, one is left to files. */
const POOL = 3;

/** The lab with as many replicas as pay for runs of so many samples; as it is where somebody chose them, or where sizes are not known. */
export function sideBySide(graph: Graph, facts: Facts, batch: number, lab: Lab): Lab {
  const { engine, threads = engine.threads, among } = lab;
  const replicas = Math.min(threads, POOL);
  if (lab.replicas !== undefined || among || engine.name !== 'native' || engine.device !== 'cpu' || replicas < 2)
    return lab;
  const made = graph.nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== ''));
  const isKnown = made.every((name) => facts.get(name)?.dims.every((dim, i) => i === 0 || typeof dim === 'number'));
  const largest = made.map(bytesPerSample(graph, facts)).reduce((a, b) => Math.max(a, b), 0);
  const isSmall = isKnown && largest * (fixedBatch(graph) ?? batch) * replicas <= ROOM;
  return isSmall ? { ...lab, replicas } : lab;
}

/** Do so many samples and the answers to them fit into little memory? */
export function areBrief(graph: Graph, facts: Facts, samples: number): boolean {
  const bytes = bytesPerSample(graph, facts);
  return samples * [...graph.inputs, ...graph.outputs].reduce((sum, { name }) => sum + bytes(name), 0) <= BRIEF;
}
