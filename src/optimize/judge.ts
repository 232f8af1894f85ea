/** Scores models on one part of the data, always against the original on the same samples. */

import { PareError } from '../base/error.ts';
import { type Dataset, LABELS } from '../data/index.ts';
import type { Model } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { answerOf } from '../nn/index.ts';
import type { Metric } from '../report/index.ts';
import { answersOf } from '../report/scoring.ts';
import type { Lab } from '../runtime/index.ts';
import { type Places, placesFor, rowsAt } from '../train/index.ts';
import { predictAll, predictEach } from '../train/predict.ts';
import { bootstrapRise, type Change, changeOf } from './interval.ts';
import { agreed, otherOutputs } from './other-outputs.ts';
import { classesIn, type Outputs, type Reading, readingFor, readings } from './reading.ts';

export interface Score {
  readonly metric: Metric;
  /** What was lost: a share of samples, or the relative rise of an error. Below 0 is a gain. */
  readonly drop: number;
  /** How far the outputs lie from the original's, over their own length. */
  readonly distance: number;
  /** By sample: credit (0 to 1), or squared error for numbers to predict. */
  readonly credits: Float64Array;
  /** The class that each sample got; empty where answers are no classes. */
  readonly answers: Int32Array;
}

export interface Judge {
  readonly data: Dataset;
  /** The original's own score. */
  readonly before: Score;
  /** For people: what counts as right. */
  readonly about: string;
  /** The right classes, where labels say so. */
  readonly labels?: Int32Array | undefined;
  /** True where labels say what is right; otherwise the original does. */
  readonly isLabelled: boolean;
  score(model: Model): Promise<Score>;
  /** What changed from the original to this score. */
  change(after: Score, looks?: number): Change;
}

/** All that the output says which answers a sample. */
export async function outputsOf(model: Model, data: Dataset, lab: Lab, task = 'score'): Promise<Outputs> {
  if (model.graph.outputs.length === 0)
    throw new PareError('data/shape', 'The model has no output to score.', { where: model.graph.name });
  return await predictAll(model, data, answerOf(model.graph), { task }, lab);
}

/** A judge over these samples. Runs the original once. */
export async function judgeOf(original: Model, data: Dataset, lab: Lab): Promise<Judge> {
  const wanted = await outputsOf(original, data, lab, 'score the original');
  const places = placesFor(original, data);
  if (places) return atEveryPlace(places, wanted, data, lab);
  if (data.task === 'regression') return regression(wanted, data, lab);
  const isLabelled = data.task === 'classification';
  const own = readingFor(original, wanted, data);
  const reading: Reading = readings[isLabelled && own !== 'choice' ? 'classes' : own];
  const labels = isLabelled ? labelsOf(data) : undefined;
  const others = isLabelled ? undefined : await otherOutputs(original, data, lab);
  const read = (outputs: Outputs, rest?: ReadonlyMap<string, Outputs>): Read => {
    const answers = reading.answers?.(outputs) ?? new Int32Array();
    const credits = labels
      ? Float64Array.from(answers, (answer, i) => (answer === labels[i] ? 1 : 0))
      : agreed(reading.credits(outputs, wanted), others, rest);
    const value = credits.reduce((a, b) => a + b, 0) / credits.length;
    return { metric: { name: isLabelled ? 'accuracy' : 'agreement', value }, credits, answers };
  };
  const more =
    others && others.size > 0 ? `, and as much in ${[...others.keys()].map((name) => `"${name}"`).join(', ')}` : '';
  const about = isLabelled ? 'the right class' : `${reading.about}${more}`;
  return judgeBy({ read, about, isLabelled, labels, others: [...(others?.keys() ?? [])] }, wanted, data, lab);
}

/** What is read off outputs. */
type Read = Pick<Score, 'metric' | 'credits'> & Partial<Pick<Score, 'answers'>>;

interface Rules extends Pick<Judge, 'about' | 'isLabelled' | 'labels'> {
  /** Of the first output; `rest` are the others that are judged. */
  read(outputs: Outputs, rest?: ReadonlyMap<string, Outputs>): Read;
  /** Names of further outputs that are read. */
  readonly others?: readonly string[];
  /** What is lost from the first value of the metric to the second. Default: their difference. */
  dropOf?(before: number, after: number): number;
  /** Default: of credits, in matched pairs. */
  change?(before: Float64Array, after: Float64Array, looks: number): Change;
}

/** A judge by these rules, of a model that answered `wanted`. */
function judgeBy(rules: Rules, wanted: Outputs, data: Dataset, lab: Lab): Judge {
  const { read, dropOf = (before, after) => before - after, change = changeOf, others = [], ...told } = rules;
  const before: Score = { answers: new Int32Array(), ...read(wanted), drop: 0, distance: 0 };
  return {
    ...told,
    data,
    before,
    async score(model) {
      const first = answerOf(model.graph);
      const all = await predictEach(model, data, [first, ...others], { task: 'score' }, lab, () => true);
      const outputs = all.get(first)!;
      const after = { answers: new Int32Array(), ...read(outputs, all) };
      const drop = dropOf(before.metric.value, after.metric.value);
      return { ...after, drop, distance: apart(outputs, wanted) };
    },
    change: (after, looks = 1) => change(before.credits, after.credits, looks),
  };
}

/** A class for each place: credits are the shares of a sample's places, of which ignored ones do not count. */
function atEveryPlace(places: Places, wanted: Outputs, data: Dataset, lab: Lab): Judge {
  const width = sizeOf(data.labels!.dims);
  const length = data.size * width;
  const labels = data.labels!.dtype === 'int64' ? new BigInt64Array(length) : new Float32Array(length);
  data.fill(LABELS, everySample(data), labels);
  const read = (outputs: Outputs): Read => {
    let [right, total] = [0, 0];
    const credits = Float64Array.from({ length: data.size }, (_, i) => {
      const part = outputs.values.subarray(i * width * places.classes, (i + 1) * width * places.classes);
      const { rows, labels: own, count } = rowsAt(places, part, labels.subarray(i * width, (i + 1) * width), 1);
      const hits = answersOf(rows, places.classes, 'logits').filter((answer, k) => answer === own[k]).length;
      [right, total] = [right + hits, total + count];
      return count === 0 ? 1 : hits / count;
    });
    return { metric: { name: 'accuracy', value: right / Math.max(1, total) }, credits };
  };
  return judgeBy({ read, about: 'the right class at each place', isLabelled: true }, wanted, data, lab);
}

function regression(wanted: Outputs, data: Dataset, lab: Lab): Judge {
  const width = sizeOf(data.labels!.dims);
  const targets = new Float32Array(data.size * width);
  data.fill(LABELS, everySample(data), targets);
  const read = ({ values }: Outputs): Read => {
    if (values.length !== targets.length) {
      throw new PareError('data/shape', `"${data.name}" has targets of another width than the model's first output.`, {
        where: data.name,
        expected: `${values.length / data.size} numbers per sample`,
        got: `${width}`,
      });
    }
    const credits = Float64Array.from({ length: data.size }, (_, i) => {
      let sum = 0;
      for (let k = i * width; k < (i + 1) * width; k++) sum += (values[k]! - targets[k]!) ** 2;
      return sum / width;
    });
    const value = Math.sqrt(credits.reduce((a, b) => a + b, 0) / credits.length);
    return { metric: { name: 'rmse', value }, credits };
  };
  return judgeBy(
    {
      read,
      about: 'the root mean squared error',
      isLabelled: true,
      dropOf: (before, after) => after / Math.max(before, Number.MIN_VALUE) - 1,
      change(before, after, looks) {
        const better = after.filter((error, i) => error < before[i]!).length;
        const interval = bootstrapRise(before, after, { looks, seed: lab.seed ?? 0 });
        return { samples: data.size, lost: data.size - better, won: better, interval, pValue: Number.NaN };
      },
    },
    wanted,
    data,
    lab,
  );
}

/** ‖a − b‖ / ‖b‖ */
function apart(a: Outputs, b: Outputs): number {
  let [off, size] = [0, 0];
  for (let i = 0; i < b.values.length; i++) {
    off += (a.values[i]! - b.values[i]!) ** 2;
    size += b.values[i]! ** 2;
  }
  return Math.sqrt(off / Math.max(size, Number.MIN_VALUE));
}

const everySample = ({ size }: Dataset): Int32Array => Int32Array.from({ length: size }, (_, i) => i);

function labelsOf(data: Dataset): Int32Array {
  const out = new Int32Array(data.size);
  data.fill(LABELS, everySample(data), out);
  return out;
}

/** The samples with the original's answers for labels, where its answers are classes: what slopes and validation need. */
export async function labelledBy(original: Model, data: Dataset, lab: Lab): Promise<Dataset> {
  if (data.task !== 'unlabelled') return data;
  const outputs = await outputsOf(original, data, lab, 'ask the original');
  if (readingFor(original, outputs, data) !== 'classes' || outputs.values.length === data.size) return data;
  const classes = classesIn(outputs);
  const labels = { dtype: 'int64', dims: [] } as const;
  return {
    ...data,
    labels,
    task: 'classification',
    fill(column, indices, into) {
      if (column !== LABELS) return data.fill(column, indices, into);
      const isBig = into instanceof BigInt64Array;
      for (let i = 0; i < indices.length; i++) {
        const answer = classes[indices[i]!]!;
        (into as { [index: number]: number | bigint })[i] = isBig ? BigInt(answer) : answer;
      }
    },
  };
}
