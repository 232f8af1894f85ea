/**
 * A network that teaches itself: exits at the ends of its earlier stages learn what its last layer says, and with them
 * the stages that lead there. The exits are gone afterwards.
 *
 *   L = CE(z) + w Σ_e [(1 − α) CE(z_e) + α T² KL(softmax(z / T) ‖ softmax(z_e / T))],   z as a teacher is not moved
 *
 * Source   Zhang et al. 2019, "Be your own teacher", arXiv:1905.08094.
 */

import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import { batchDims, bind, type Dataset, portsOf } from '../data/index.ts';
import type { Model, Node } from '../graph/model.ts';
import { float32, int64 } from '../graph/tensor.ts';
import { logitsOf } from '../nn/logits.ts';
import { infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, type FitReport, fit } from '../train/fit.ts';
import { crossEntropy } from '../train/loss/cross-entropy.ts';
import type { Loss } from '../train/loss/loss.ts';
import { onlyStudent } from './distill.ts';
import { softened } from './loss/soft-targets.ts';
import { stages } from './pairs.ts';

export interface SelfDistillOptions extends Omit<FitOptions, 'loss'> {
  /** Values that exits leave from, or 'auto': the end of each stage but the last. Default 'auto', and told (onNote). */
  readonly at?: 'auto' | readonly string[] | undefined;
  /** Weight of each exit beside the last layer. Default 0.3. */
  readonly weight?: number | undefined;
  /** Share of an exit's loss that the last layer teaches; the labels teach the rest. Default 0.5. */
  readonly alpha?: number | undefined;
  /** Temperature. Default 3. */
  readonly T?: number | undefined;
}

const EXIT = 'exit/';

/**
 * Trains a classifier with exits, and gives it back without them.
 *
 * Throws   distill/labels without class labels; distill/exits when there is no stage to leave from; what `fit` throws.
 */
export async function selfDistill(
  model: Model,
  data: Dataset,
  { at = 'auto', weight = 0.3, alpha = 0.5, T = 3, ...options }: SelfDistillOptions,
  lab: Lab,
): Promise<{ model: Model; report: FitReport }> {
  if (data.task !== 'classification') {
    throw new PareError('distill/labels', 'A network that teaches itself needs labels for its last layer.', {
      where: data.name,
      expected: 'class labels',
      got: data.task,
    });
  }
  const own = modernize(model);
  const places = at === 'auto' ? [...stages(own, data).values()].slice(0, -1).map(({ name }) => name) : at;
  if (places.length === 0) {
    throw new PareError('distill/exits', 'The network has a single stage, so no exit can leave before its end.', {
      expected: 'values of two or more sizes, or the names of values to leave from',
    });
  }
  lab.onNote?.(`exits at ${places.join(', ')}`);
  const hard = crossEntropy();
  const loss: Loss = (g, outcome) => {
    const deep = g.emit('Detach', [outcome.logits])[0]!;
    const exits = places.map((name) => {
      const logits = outcome.value(`${EXIT}${name}`);
      const labelled = hard(g, { ...outcome, logits, output: logits });
      return g.Add(g.Mul(labelled, 1 - alpha), g.Mul(softened(g, logits, deep, T), alpha));
    });
    const early = exits.reduce((a, b) => g.Add(a, b));
    return g.Add(hard(g, outcome), g.Mul(early, weight));
  };
  const { model: learnt, report } = await fit(
    withExits(own, places, data, lab.seed ?? 0),
    data,
    { ...options, loss },
    lab,
  );
  return { model: onlyStudent(own, learnt), report };
}

/** The network with a mean over places and a dense layer behind each of the values, as the values `exit/NAME`. */
function withExits(model: Model, places: readonly string[], data: Dataset, seed: number): Model {
  const { graph } = model;
  const facts = infer(graph, { inputs: boundDims(model, data) });
  const classes = facts.get(logitsOf(graph))?.dims.at(-1);
  const nodes: Node[] = [...graph.nodes];
  const initializers = new Map(graph.initializers);
  const emit = (op: string, inputs: string[], output: string, attrs: Node['attrs'] = {}): string => {
    nodes.push({ op, domain: '', name: output, inputs, outputs: [output], attrs });
    return output;
  };
  for (const place of places) {
    const dims = facts.get(place)?.dims;
    const isMap = dims?.length === 4;
    const width = isMap ? dims[1] : dims?.at(-1);
    if (typeof width !== 'number' || typeof classes !== 'number') {
      throw new PareError('distill/exits', `The size of "${place}" is not known.`, { where: place });
    }
    const name = `${EXIT}${place}`;
    const source = random(seed, name);
    const spread = Math.sqrt(1 / width);
    const W = Float32Array.from({ length: width * classes }, () => spread * source.normal());
    initializers.set(`${name}.weight`, float32([width, classes], W));
    initializers.set(`${name}.bias`, float32([classes], new Float32Array(classes)));
    const mean = isMap
      ? emit('Flatten', [emit('GlobalAveragePool', [place], `${name}.mean`)], `${name}.vector`)
      : emit('ReduceMean', [place, axisOne(initializers)], `${name}.vector`, { keepdims: { kind: 'int', value: 0 } });
    emit('Gemm', [mean, `${name}.weight`, `${name}.bias`], name);
  }
  return { ...model, graph: { ...graph, nodes, initializers } };
}

/** Axis 1, of tokens, as a constant of the graph. */
function axisOne(initializers: Map<string, ReturnType<typeof float32>>): string {
  const name = `${EXIT}axis`;
  initializers.set(name, int64([1], [1]));
  return name;
}

const boundDims = ({ graph }: Model, data: Dataset): Record<string, number[]> =>
  Object.fromEntries(
    Object.entries(bind(data, portsOf(graph)).inputs).map(([name, column]) => [name, [...batchDims(column, 1)]]),
  );
