/** `pare distill`: a small model learns what a large one, or several, answer. */

import { PareError } from '../../src/base/error.ts';
import { showShare } from '../../src/base/unit.ts';
import {
  type DistillOptions,
  distillLosses,
  type FeatureLossName,
  type FeatureOptions,
  type Keep,
  type OutputLoss,
  type SelfDistillOptions,
  type Teacher,
} from '../../src/distill/index.ts';
import type { Subject } from '../../src/report/subject.ts';
import { flag, many, path, percent, required, text } from '../arg.ts';
import { type Call, called, calledMany } from '../call.ts';
import type { Desk } from '../desk.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { refuseAlone, refuseForeign, type Takes } from '../foreign.ts';
import { fitOptions, learningArgs } from '../learning.ts';
import { workersOfRanks } from '../parallel.ts';
import { NOTHING, verb } from '../verb.ts';

/** Options of each loss on the outputs; what stands alone is the first. */
const LOSSES = {
  auto: [],
  'soft-targets': ['T', 'weight'],
  dkd: ['beta', 'alpha', 'T', 'weight'],
  mse: ['weight'],
} as const satisfies Record<'auto' | keyof typeof distillLosses, readonly string[]>;

/** `auto` is hints. */
const FEATURES = {
  auto: ['weight'],
  hints: ['weight'],
  attention: ['weight'],
  similarity: ['weight'],
  relations: ['weight'],
  probabilistic: ['weight'],
  contrast: ['weight'],
} as const satisfies Record<FeatureLossName | 'auto', readonly string[]>;

const KEEPS = { float16: [], float32: [], top: ['k'] } as const;

export const distill = verb({
  name: 'distill',
  about: 'Train a student on what a teacher answers, recorded once; labels are welcome and not needed.',
  example: 'pare distill resnet56.onnx small.onnx --data cifar10 --epochs 20 --cache teachers --out student.onnx',
  takes: {
    teacher: required(path('The ONNX model that knows.')),
    student: required(
      path('The ONNX model that learns; auto: a thinner copy of the teacher; self: the teacher itself.'),
    ),
  },
  args: {
    ...learningArgs,
    lr: text('Learning rate, at its peak.', '1e-3'),
    ensemble: many(text('A further teacher whose answers count too, as FILE or FILE=WEIGHT; may be repeated.')),
    loss: calledMany(
      LOSSES,
      'What makes the student like the teacher; several add up: soft-targets:4 dkd:beta=2,weight=0.5.',
    ),
    labels: percent('Share of the loss that comes from the labels, where there are any.', '10%'),
    features: calledMany(
      FEATURES,
      'Inner values that should be alike too, such as attention:weight=500; auto is hints.',
    ),
    pair: many(text('Which values go together, as STUDENT=TEACHER; default: by shape and depth, and told.')),
    cache: path('Folder in which the answers are kept for the next time; bytes are told first.'),
    cacheKeep: called(KEEPS, 'What of them: float16 (the default), float32, or top:K with the mass of the rest.'),
    live: flag('Run the teacher beside the student at every step instead of recording it.'),
    width: percent('For the student auto: share of the channels that stays; default 50 %, or all with --depth.'),
    depth: percent('For the student auto: share of the MACs that stays as runs of layers become single layers.'),
    ...methodArgs,
  },
  isParallel: true,
  async run(values, desk) {
    const [{ distill: distillModel, selfDistill }, { split }] = await Promise.all([
      import('../../src/distill/index.ts'),
      import('../../src/data/index.ts'),
    ]);
    if (values.live && values.cache !== undefined)
      throw new PareError('usage/conflict', 'A teacher that runs at every step leaves nothing to keep.', {
        expected: '--live or --cache',
        got: 'both',
      });
    refuseAlone(values, NEEDS);
    refuseForeign(values, values.student === 'auto' ? 'the student auto' : 'another student', STUDENT_TAKES);
    const teacher = await desk.read(values.teacher);
    const isSelf = values.student === 'self';
    const given = isSelf ? teacher : values.student === 'auto' ? undefined : await desk.read(values.student);
    const sets = await desk.sets((given ?? teacher).model);
    if (!sets?.train)
      throw new PareError('usage/missing', 'pare distill needs samples; labels are not needed.', {
        expected: '--data SPEC',
        hint: distill.example,
      });
    if (desk.values.data === 'random')
      desk.note('what a teacher answers to random inputs says little of what it knows: real samples teach more');
    const isLabelled = sets.train.labels !== undefined;
    const parts =
      sets.validation || !isLabelled ? sets : split(sets.train, { validation: 0.1, seed: desk.values.seed });
    const train = parts.train ?? sets.train;
    const lab = await desk.sharedLab();
    const workers = await workersOfRanks(desk);
    const seconds = stopwatch();
    const before = given ?? (await madeFrom(teacher, values, train, desk));
    const teachers: Teacher[] = [
      teacher.model,
      ...(await Promise.all(values.ensemble.map((word) => further(word, desk)))),
    ];
    const options: DistillOptions = {
      ...fitOptions(values, before.model),
      labels: values.labels,
      loss: lossOf(values.loss),
      features: await featuresOf(values, before, teacher, train),
      ...(values.cache !== undefined && {
        cache: { folder: values.cache, keep: keepOf(values.cacheKeep ?? { name: 'float16', options: {} }) },
      }),
      ...(values.live && { live: true }),
      ...(parts.validation && { validation: parts.validation }),
      ...(workers && { workers }),
    };
    const { model, report } = isSelf
      ? await selfDistill(before.model, train, ownLesson(values, options), lab)
      : await distillModel(before.model, teachers, train, options, lab);
    if (desk.collective.rank > 0) return NOTHING;
    const { measureModels } = await import('../../src/report/index.ts');
    const [measured] = await measureModels([teacher], await desk.lab(), { rounds: 9, dims: desk.dims });
    const { name: _, timings, unknown: __, ...sizes } = measured!;
    return finish(desk, {
      before,
      model,
      tag: 'distilled',
      evaluation: sets.evaluation,
      reference: teacher,
      maxDrop: values.maxDrop,
      report: values.report,
      seconds: seconds(),
      curves: [{ step: 'distilled', epochs: report.epochs }],
      result: {
        teacher: {
          file: values.teacher,
          ...sizes,
          latencyMs: timings[0]?.p50Ms,
          metric: await metricOf(teacher, sets.evaluation, desk),
        },
        epochs: report.epochs,
        kept: report.kept,
      },
    });
  },
});

/** Flags that say more of others. */
const NEEDS: Takes = { pair: ['features'], cacheKeep: ['cache'] };

const STUDENT_TAKES: Takes = { 'the student auto': ['width', 'depth'] };

/** What a network that teaches itself is trained with. Throws usage/conflict for flags that speak of another teacher. */
function ownLesson(
  values: {
    readonly ensemble: readonly string[];
    readonly loss: readonly unknown[];
    readonly features: readonly unknown[];
  },
  { labels: _, loss: __, features: ___, cache, live: ____, ...learning }: DistillOptions,
): SelfDistillOptions {
  const isTaught = values.ensemble.length + values.loss.length + values.features.length > 0 || cache !== undefined;
  if (!isTaught) return learning;
  throw new PareError('usage/conflict', 'A network that teaches itself has no other teacher and one loss.', {
    where: 'self',
    expected: 'none of --ensemble, --loss, --features and --cache',
  });
}

/** What the teacher itself scores; without labels it is what others agree with. */
async function metricOf(teacher: Subject, evaluation: Parameters<typeof finish>[1]['evaluation'], desk: Desk) {
  if (!evaluation?.labels) return { name: 'agreement', value: 1 };
  const { evaluate } = await import('../../src/report/index.ts');
  return (await evaluate(teacher, evaluation, await desk.lab())).metric;
}

/** FILE or FILE=WEIGHT. */
async function further(word: string, desk: Desk): Promise<Teacher> {
  const [, file = word, share] = /^(.+)=([^=]*)$/.exec(word) ?? [];
  const weight = share === undefined ? 1 : Number(share);
  if (!(weight > 0 && Number.isFinite(weight)))
    throw new PareError('usage/value', `--ensemble takes FILE or FILE=WEIGHT, not "${word}".`, {
      where: '--ensemble',
      expected: 'a weight above 0',
      got: share ?? word,
    });
  return { model: (await desk.read(file)).model, weight };
}

interface AutoValues {
  readonly width: number | undefined;
  readonly depth: number | undefined;
}

/** The student that is made from its teacher. */
async function madeFrom(teacher: Subject, { width, depth }: AutoValues, data: DataOf, desk: Desk): Promise<Subject> {
  const [{ thinner }, { costOfAny }] = await Promise.all([
    import('../../src/recipe/thinner.ts'),
    import('../../src/report/index.ts'),
  ]);
  const model = await thinner(teacher.model, { width, depth }, data, await desk.lab());
  const [old, now] = [costOfAny(teacher.model), costOfAny(model)];
  desk.note(
    `the student keeps ${showShare(now.parameters / old.parameters, 0)} of the parameters and ${showShare(now.macs / old.macs, 0)} of the MACs`,
  );
  return { name: 'student', model };
}
type DataOf = Parameters<typeof import('../../src/recipe/thinner.ts').thinner>[2];

/** The words of --loss; none is "auto". */
function lossOf(calls: readonly Call<keyof typeof LOSSES>[]): NonNullable<DistillOptions['loss']> {
  if (calls.length === 0 || (calls.length === 1 && calls[0]!.name === 'auto')) return 'auto';
  return calls.map(({ name, options: { weight = 1, ...options } }) => {
    if (name === 'auto')
      throw new PareError('usage/conflict', 'The loss auto stands alone.', { where: '--loss', expected: 'names' });
    // A loss at its defaults goes by name, so that one which wants labels takes the teacher's answer where there are none.
    const isPlain = Object.keys(options).length === 0;
    const make = distillLosses[name] as (options: object) => OutputLoss;
    return { by: isPlain ? name : make(options), weight: Number(weight) };
  });
}

interface FeatureValues {
  readonly features: readonly Call<keyof typeof FEATURES>[];
  readonly pair: readonly string[];
}

/** The words of --features and --pair. */
async function featuresOf(
  { features, pair: words }: FeatureValues,
  student: Subject,
  teacher: Subject,
  data: DataOf,
): Promise<FeatureOptions[]> {
  if (features.length === 0) return [];
  const { namedPairs } = await import('../../src/distill/index.ts');
  const names = words.map((word) => {
    const [own, other, more] = word.split('=');
    if (own && other && more === undefined) return { student: own, teacher: other };
    throw new PareError('usage/value', `--pair takes STUDENT=TEACHER, not "${word}".`, { where: '--pair', got: word });
  });
  const pairs = names.length > 0 ? namedPairs(student.model, teacher.model, data, names) : 'auto';
  return features.map(({ name, options }) => ({
    by: name === 'auto' ? 'hints' : name,
    pairs,
    ...(options['weight'] !== undefined && { weight: Number(options['weight']) }),
  }));
}

const keepOf = ({ name, options }: Call<keyof typeof KEEPS>): Keep =>
  name === 'top' ? { top: Number(options['k'] ?? 10) } : name;
