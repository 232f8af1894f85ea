/** Random inputs that a model really takes: lengths of open axes are tried until the engine runs. */

import { asPareError } from '../base/error.ts';
import { noise, type Port, portsOf } from '../data/index.ts';
import type { Graph } from '../graph/model.ts';
import { lengthChoices } from '../graph/open-lengths.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Session } from '../runtime/engine.ts';
import type { Lab } from '../runtime/lab.ts';
import { feedsOf, lengthsIn } from './feeds.ts';
import { loadSubject, type Subject } from './subject.ts';

/** Lengths of open axes to try: tables of positions may be shorter than the first, windows over sound longer. */
const LENGTHS = [16, 8, 4, 1, 64, 256, 1024];

/** Stands for all axes without a name. */
const UNNAMED = '?';

/** The axis that stands for the number of samples: the first symbol that an input begins with. */
const batchSymbol = (ports: readonly Port[]): string | undefined =>
  ports.map(({ dims }) => dims[0]).find((dim) => typeof dim === 'string');

/**
 * Random inputs of the model's shapes and types; see `noise` for what is drawn. Axes of the batch's name are `batch`
 * long wherever they stand, others as `dims` says or `open`; inputs without axes get one value (`settingOf`).
 *
 * Throws   data/port for types that random numbers cannot feed.
 */
export function randomFeeds(
  graph: Graph,
  batch: number,
  seed = 0,
  dims: Readonly<Record<string, number>> = {},
  open: number = LENGTHS[0]!,
): Record<string, Tensor> {
  const ports = portsOf(graph);
  const symbol = batchSymbol(ports);
  const lengths = { ...(symbol !== undefined && { [symbol]: batch }), ...dims };
  return Object.assign(
    {},
    ...ports.map((port): Record<string, Tensor> => {
      const first = port.dims[port.batchAxis ?? 0] ?? 1;
      const known = typeof first === 'string' ? lengths[first] : first;
      const rows = Array.from({ length: known ?? batch }, (_, i) => i);
      return feedsOf(noise([port], { size: rows.length, seed, dims: lengths, open }), rows);
    }),
  );
}

/**
 * Random inputs that this session runs, and what it answers.
 *
 * Throws   what randomFeeds throws; engine/run with the engine's first complaint when no length will do.
 */
export async function randomRun(
  session: Session,
  graph: Graph,
  batch: number,
  lab: Lab,
  dims: Readonly<Record<string, number>> = {},
): Promise<{ feeds: Record<string, Tensor>; outputs: Record<string, Tensor> }> {
  const symbol = batchSymbol(portsOf(graph));
  const isOpen = portsOf(graph).some(({ dims: axes }) =>
    axes.some((dim, i) => typeof dim !== 'number' && dim !== symbol && !(i === 0 && dim === null)),
  );
  const axesOf = portsOf(graph).flatMap(({ dims: axes }) => axes.slice(1));
  const open = [...new Set(axesOf)].filter((dim): dim is string => typeof dim === 'string' && dim !== symbol);
  let complaint: unknown;
  for (const lengths of lengthChoices(graph, [...open, UNNAMED], isOpen ? LENGTHS : LENGTHS.slice(0, 1))) {
    const feeds = randomFeeds(graph, batch, lab.seed, { ...lengths, ...dims }, lengths[UNNAMED]!);
    try {
      return { feeds, outputs: await session.run(feeds, undefined, lab.signal) };
    } catch (thrown) {
      if (asPareError(thrown).code !== 'engine/run') throw thrown;
      complaint ??= thrown;
    }
  }
  throw complaint;
}

/** Lengths of open axes by symbol at which the model runs: `dims`, and for the others the first that the engine takes. Throws what randomRun throws. */
export async function lengthsThatRun(
  subject: Subject,
  lab: Lab,
  dims: Readonly<Record<string, number>> = {},
): Promise<Readonly<Record<string, number>>> {
  const { graph } = subject.model;
  const symbol = batchSymbol(portsOf(graph));
  const isOpen = portsOf(graph).some((port) =>
    port.dims.slice(1).some((dim) => typeof dim === 'string' && dim !== symbol),
  );
  if (!isOpen) return dims;
  using session = await loadSubject(subject, lab);
  const { feeds } = await randomRun(session, graph, 1, lab, dims);
  const inputs = portsOf(graph).map(({ name, dtype, batchAxis = 0 }) => {
    const sample = feeds[name]!.dims.filter((_, axis) => axis !== batchAxis);
    return [name, { dtype, dims: sample }] as const;
  });
  return { ...lengthsIn(graph, { inputs: Object.fromEntries(inputs) }), ...dims };
}
