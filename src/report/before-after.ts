/** A model and what a method made of it, side by side: the `before` and `after` of every method's result. */

import { asPareError } from '../base/error.ts';
import type { Dataset } from '../data/index.ts';
import { sizeOf, tensorBytes } from '../graph/tensor.ts';
import type { Lab } from '../runtime/lab.ts';
import { agreement, evaluate, type Metric } from './evaluate.ts';
import { lengthsIn } from './feeds.ts';
import { compareLayers, type LayerChange } from './layers.ts';
import { type Measured, type MeasureModelsOptions, measureModels } from './measure-models.ts';
import { lengthsThatRun } from './random-feeds.ts';
import type { Subject } from './subject.ts';
import { type LatencyMs, type Step, stepOf } from './summary.ts';

export interface Figures {
  readonly parameters: number;
  readonly macs: number;
  readonly bytes: number;
  readonly metric?: Metric;
  readonly latencyMs: LatencyMs;
  readonly latencyRatio?: LatencyMs;
}

export interface BeforeAfter {
  readonly before: Figures;
  readonly after: Figures;
  readonly steps: readonly [Step, Step];
  readonly layers: readonly LayerChange[];
}

export interface BeforeAfterOptions extends MeasureModelsOptions {
  /** Samples to score on: accuracy with labels, agreement with the original without. Default: no score. */
  readonly eval?: Dataset;
  /** Scores that are known already, in place of `eval`. */
  readonly scored?: { readonly name: string; readonly before: number; readonly after: number };
  /** Whose answers count as right where there are no labels. Default: `before`. */
  readonly reference?: Subject;
}

/** Bytes of the weights of two models above which they are not loaded at the same time. */
const SIDE_BY_SIDE = 1e9;

/** What a model's weights take once it is loaded, at most: those that are stored narrow may be unfolded. */
const loadedBytes = ({ model }: Subject): number =>
  [...model.graph.initializers.values()].reduce((sum, t) => sum + Math.max(tensorBytes(t), 4 * sizeOf(t.dims)), 0);

/**
 * Sizes, speeds and scores of both models.
 *
 * Without labels the metric is agreement: 1 for the original, for the other the share of its answers that are the same; none
 * where the model does not give one answer a sample.
 *
 * Throws   what measureModels, evaluate and agreement throw.
 */
export async function beforeAfter(
  before: Subject,
  after: Subject,
  lab: Lab,
  { eval: dataset, scored, reference, ...timing }: BeforeAfterOptions = {},
): Promise<BeforeAfter> {
  const dims = { ...(dataset && lengthsIn(before.model.graph, dataset)), ...timing.dims };
  const isLarge = timing.batches?.length !== 0 && loadedBytes(before) + loadedBytes(after) > SIDE_BY_SIDE;
  if (isLarge)
    lab.onNote?.('both models at once may not fit in memory: they are not timed here (pare bench times them)');
  const [old, now] = await measured(before, after, lab, { ...timing, dims, ...(isLarge && { batches: [] }) });
  const known = scored && [scored.before, scored.after].map((value): Metric => ({ name: scored.name, value }));
  const [oldMetric, nowMetric] = known ?? (dataset ? await scores(before, after, dataset, reference, lab) : []);
  const steps = [
    stepOf(old!, { ...(oldMetric && { metric: oldMetric }) }),
    stepOf(now!, { ...(nowMetric && { metric: nowMetric }) }),
  ] as const;
  const figures = ({ name: _, ...rest }: Step): Figures => rest;
  return {
    before: figures(steps[0]),
    after: figures(steps[1]),
    steps,
    layers: compareLayers(before.model, after.model, dims),
  };
}

/** Sizes and times; sizes alone where not even the original runs on random inputs, or an input takes texts. */
async function measured(
  before: Subject,
  after: Subject,
  lab: Lab,
  options: MeasureModelsOptions,
): Promise<readonly Measured[]> {
  try {
    return await measureModels([before, after], lab, options);
  } catch (thrown) {
    const { code, detail } = asPareError(thrown);
    const untimed = (why: string): Promise<readonly Measured[]> => {
      lab.onNote?.(`${why}: it is not timed`);
      return measureModels([before, after], lab, { ...options, batches: [] });
    };
    if (code === 'data/port' && !options.data) return untimed(`random samples cannot feed the input "${detail.where}"`);
    if (code !== 'engine/run' || options.data) throw thrown;
    const runs = await lengthsThatRun(before, lab, options.dims).then(
      () => true,
      () => false,
    );
    if (runs) throw thrown;
    return untimed('no lengths of its open axes are known at which the model runs (--dim sets them)');
  }
}

async function scores(
  before: Subject,
  after: Subject,
  dataset: Dataset,
  reference: Subject | undefined,
  lab: Lab,
): Promise<readonly Metric[]> {
  if (dataset.labels) {
    const old = await evaluate(before, dataset, lab, { task: `score ${before.name}` });
    return [old.metric, (await evaluate(after, dataset, lab, { task: `score ${after.name}` })).metric];
  }
  const agreed = async (subject: Subject): Promise<Metric> =>
    (await agreement(subject, reference ?? before, dataset, lab, { task: 'compare answers' })).metric;
  try {
    return [reference ? await agreed(before) : { name: 'agreement', value: 1 }, await agreed(after)];
  } catch (thrown) {
    // Boxes as many as are found, one answer for all samples: there is nothing to count.
    const error = asPareError(thrown);
    if (error.code !== 'data/shape') throw error;
    lab.onNote?.(`${error.message} Agreement is not measured.`);
    return [];
  }
}
