/** A small network learns from a large one (or several): from recorded outputs, or beside it in one graph. */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import { bind, type Dataset, portsOf } from '../data/index.ts';
import { beside } from '../graph/beside.ts';
import type { Graph, Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { openMaps } from '../nn/open-maps.ts';
import { modernize } from '../ops/modern.ts';
import type { Lab } from '../runtime/index.ts';
import { type FitOptions, type FitReport, fit } from '../train/fit.ts';
import { crossEntropy } from '../train/loss/cross-entropy.ts';
import { type Loss, weightedSum } from '../train/loss/loss.ts';
import { meanSquaredError } from '../train/loss/mean-squared-error.ts';
import { atPlaces, IGNORED } from '../train/places.ts';
import { outputWidth, placesFor } from '../train/task.ts';
import { withAdapters } from './adapter.ts';
import { type CacheOptions, cached } from './cache.ts';
import { chooseLoss } from './choose-loss.ts';
import {
  type DistillLossName,
  distillLosses,
  type FeatureLoss,
  type FeatureLossName,
  featureLosses,
  type Pair,
} from './loss/index.ts';
import { pairsOf } from './pairs.ts';
import { type Recorded, type Recording, record, withTeacher } from './record.ts';
import { frozenTeacher, listOf, type Teacher } from './teacher.ts';

export interface FeatureOptions {
  /** Which values go together, or 'auto': by shape and depth. Default 'auto'. */
  readonly pairs?: 'auto' | readonly Pair[] | undefined;
  /** How they are compared, by name. */
  readonly by: FeatureLossName;
  /** Default: the weight of the authors' recipe. */
  readonly weight?: number | undefined;
}

/** A loss on the outputs: a function, or a name (its options at their defaults). */
export type OutputLoss = Loss | DistillLossName;

export interface DistillOptions extends Omit<FitOptions, 'loss'> {
  /**
   * What makes the student like the teacher; several add up, each with its weight (default 1). Default 'auto': what
   * `chooseLoss` finds to suit the teacher's output, and tells (onNote).
   */
  loss?: 'auto' | OutputLoss | readonly (OutputLoss | { readonly by: OutputLoss; readonly weight: number })[];
  /** Share of the loss that comes from the labels, where there are any. Default 0.1. */
  labels?: number;
  /** Inner values that should be alike too; several losses may be given. Default none. */
  features?: FeatureOptions | readonly FeatureOptions[];
  /** The teacher's outputs, if they were recorded before. */
  recorded?: Recorded | Recording;
  /** Record on disk, or read what was recorded there. */
  cache?: CacheOptions;
  /**
   * Run the teacher beside the student at every step instead of recording it. Default: only for samples that change
   * from epoch to epoch, where a recording would be of other samples.
   */
  live?: boolean;
}

/**
 * Trains `student` on the outputs of `teacher`, which runs over the data once (or, with `live`, at every step).
 *
 * Without labels the teacher is all the student hears. Only the student learns. Pairs of inner values are told (onNote).
 * Throws what `fit` throws; option/unknown for a loss that does not exist; distill/… from recording.
 */
export async function distill(
  given: Model,
  teachers: Teacher | readonly Teacher[],
  data: Dataset,
  options: DistillOptions,
  lab: Lab,
): Promise<{ model: Model; report: FitReport }> {
  const { model: student, close } = openMaps(given);
  const teacher = listOf(teachers).map(({ model, weight }) => ({ model: openMaps(model).model, weight }));
  const { loss: asked = 'auto', labels = 0.1, features = [], recorded, cache, live: isLive, ...rest } = options;
  const changes = data.atEpoch !== undefined && !recorded;
  const live = isLive ?? changes;
  if (changes && isLive === undefined)
    lab.onNote?.('samples change from epoch to epoch, so the teacher runs beside the student');
  const inner = (Array.isArray(features) ? features : [features]) as readonly FeatureOptions[];
  const first = teacher[0]!.model;
  const terms = outputTerms(asked, labels, student, first, data, lab);
  const adapted = new Map<string, Pair>();
  const wanted = new Set<string>();
  for (const { by, pairs = 'auto', weight } of inner) {
    const kind = pick<FeatureLoss>(featureLosses, by, 'feature loss');
    const chosen = pairs === 'auto' ? pairsOf(student, first, data) : pairs;
    lab.onNote?.(`${by}: ${chosen.map((pair) => `${pair.student} like ${pair.teacher}`).join(', ') || 'no pair fits'}`);
    if (chosen.length === 0) continue;
    terms.push([weight ?? kind.weight, kind.loss(chosen)]);
    for (const pair of chosen) {
      wanted.add(pair.teacher);
      if (kind.adapts) adapted.set(pair.student, pair);
    }
  }
  const learner = adapted.size > 0 ? withAdapters(modernize(student), [...adapted.values()], lab.seed ?? 0) : student;
  const loss = terms.length === 1 && terms[0]![0] === 1 ? terms[0]![1] : weightedSum(...terms);
  const { model, report } = live
    ? await besideTeacher(learner, teacher, [...wanted], data, { ...rest, loss }, lab)
    : await fit(learner, withTeacher(data, answering(student, data, await recordedBy())), { ...rest, loss }, lab);
  return { model: close(onlyStudent(learner === student ? student : modernize(student), model)), report };

  async function recordedBy(): Promise<Recorded | Recording> {
    if (recorded) return recorded;
    if (cache) return await cached(teacher, data, { batch: rest.batch, ...cache, features: [...wanted] }, lab);
    return await record(teacher, data, lab, { features: [...wanted], batch: rest.batch });
  }
}

/** What was recorded, if the student answers with as many numbers. Throws distill/outputs. */
function answering<T extends Recorded | Recording>(student: Model, data: Dataset, recorded: T): T {
  const [own, theirs] = [outputWidth(student, data), sizeOf(recorded.dims)];
  if (own === theirs || own === 0) return recorded;
  throw new PareError('distill/outputs', 'The student answers with another number of values than the teacher.', {
    expected: `${theirs} numbers per sample: [${recorded.dims.join(', ')}]`,
    got: `${own}`,
    hint: 'a student for this teacher: auto, or a model with the same output',
  });
}

/** The losses on the output, the labels' share among them. */
function outputTerms(
  asked: NonNullable<DistillOptions['loss']>,
  labels: number,
  student: Model,
  teacher: Model,
  data: Dataset,
  lab: Lab,
): (readonly [number, Loss])[] {
  const hard = hardLoss(student, data);
  const share = hard ? labels : 0;
  const one = (loss: OutputLoss): Loss => (typeof loss === 'string' ? outputLoss(loss, data) : loss);
  if (share >= 1) return [[1, hard!()]];
  const soft = (): (readonly [number, Loss])[] => {
    if (asked === 'auto') {
      const { name, why } = chooseLoss(teacher, data);
      lab.onNote?.(`the student learns by ${name}: ${why}`);
      return [[1 - share, outputLoss(name, data)]];
    }
    const all = Array.isArray(asked)
      ? (asked as readonly (OutputLoss | { by: OutputLoss; weight: number })[])
      : [asked as OutputLoss];
    return all.map((loss) =>
      typeof loss === 'object' ? [(1 - share) * loss.weight, one(loss.by)] : [1 - share, one(loss)],
    );
  };
  return share > 0 ? [[share, hard!()], ...soft()] : soft();
}

/** What labels say by themselves; undefined where there are none. */
function hardLoss(student: Model, data: Dataset): (() => Loss) | undefined {
  const places = placesFor(student, data);
  if (!places) return HARD[data.task];
  return () => atPlaces(places, data.labels!.dtype, crossEntropy({ ignore: IGNORED }));
}

const HARD: Partial<Record<Dataset['task'], () => Loss>> = {
  classification: crossEntropy,
  regression: meanSquaredError,
};

/** A loss on outputs by name; those that want labels take the teacher's answer where there are none. */
function outputLoss(name: DistillLossName, { task }: Dataset): Loss {
  pick(distillLosses, name, 'distillation loss');
  const target = task === 'classification' ? 'labels' : 'teacher';
  return name === 'dkd' ? distillLosses.dkd({ target }) : distillLosses[name]();
}

/** Teacher and student in one graph; the teacher's weights stay as they are. */
async function besideTeacher(
  student: Model,
  teacher: Teacher | readonly Teacher[],
  features: readonly string[],
  data: Dataset,
  options: FitOptions,
  lab: Lab,
): Promise<{ model: Model; report: FitReport }> {
  const own = modernize(student);
  const frozen = frozenTeacher(teacher, features).graph;
  const joint = { ...own, graph: beside(own.graph, frozen, '') };
  const { learns = () => true } = options;
  const mine = new Set(own.graph.initializers.keys());
  return await fit(
    joint,
    underBothNames(data, frozen),
    { ...options, learns: (name) => mine.has(name) && learns(name) },
    lab,
  );
}

/** The data set with the teacher's names for its inputs beside the student's. */
function underBothNames(data: Dataset, teacher: Graph): Dataset {
  const theirs = bind(data, portsOf(teacher));
  const added = Object.keys(theirs.inputs).filter((name) => !Object.hasOwn(data.inputs, name));
  if (added.length === 0) return data;
  return {
    ...data,
    inputs: { ...theirs.inputs, ...data.inputs },
    fill: (column, indices, into) => (added.includes(column) ? theirs : data).fill(column, indices, into),
  };
}

/** The student with what it learnt, and nothing of what stood beside it. */
export function onlyStudent(student: Model, learnt: Model): Model {
  const initializers = new Map(
    [...student.graph.initializers].map(([name, old]) => [name, learnt.graph.initializers.get(name) ?? old]),
  );
  return { ...student, graph: { ...student.graph, initializers } };
}
