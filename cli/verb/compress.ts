/** `pare compress`: exact rewrites, runs of layers as single layers, low-rank chains, shared and narrow weights. */

import { PareError } from '../../src/base/error.ts';
import { type Rank, schemes } from '../../src/compress/index.ts';
import type { Dataset } from '../../src/data/index.ts';
import type { Model } from '../../src/graph/model.ts';
import { type Compressed, type CompressModelOptions, STORES } from '../../src/recipe/compress.ts';
import { rules } from '../../src/rewrite/rules/index.ts';
import type { Lab } from '../../src/runtime/index.ts';
import { flag, many, number, oneOf, path, percent, required, text } from '../arg.ts';
import { type Call, called } from '../call.ts';
import type { Desk } from '../desk.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { refuseAlone, type Takes } from '../foreign.ts';
import { fitOptions, learningArgs, OPTIMIZERS } from '../learning.ts';
import type { Sets } from '../sets.ts';
import { type Block, verb } from '../verb.ts';

const SCHEMES = { auto: true, ...schemes } as const;
const PALETTES = { indices: true, values: true } as const;

/** How ranks are chosen, and what the number behind the name is. */
const RANKS = {
  energy: ['share'],
  share: ['share'],
  evbmf: ['weaken'],
  budget: ['macs'],
  latency: ['share'],
} as const;

/** The rule at its number; `keepMacs` is the budget where that flag was given. */
const RULES: Readonly<Record<keyof typeof RANKS, (value: number | undefined, keepMacs: number | undefined) => Rank>> = {
  energy: (energy = 0.95) => ({ energy }),
  share: (share = 0.5) => ({ share }),
  evbmf: (weaken = 0) => ({ evbmf: true, weaken }),
  budget: (macs = 0.5, keepMacs = macs) => ({ keep: { macs: keepMacs } }),
  latency: (latency = 0.8) => ({ latency }),
};

export const compress = verb({
  name: 'compress',
  about: 'Fewer and cheaper layers: exact merges, and on request single layers for runs, low ranks, shared weights.',
  example:
    'pare compress resnet56.onnx --blocks auto --keep-macs 50% --data cifar10 --preset imagenet --out small.onnx',
  takes: { model: required(path('The ONNX model to compress.')) },
  args: {
    rule: many(oneOf(rules, 'An exact rule to apply; may be repeated. Default: all that never add arithmetic.')),
    opset: number('Version of ai.onnx to raise the model to first: some exact rules make ops of later versions.', {
      min: 21,
      max: 23,
      whole: true,
    }),
    tolerance: number('Largest relative difference of an output after exact rules.', { min: 0, max: 1 }, 1e-4),
    blocks: many(
      text('Runs of layers to replace by single layers: auto, or FROM..TO by value names; may be repeated.'),
    ),
    blockEpochs: number('Passes of gradient descent on each block; 0: closed form only; default: 10.', {
      min: 0,
      whole: true,
    }),
    factorize: oneOf(SCHEMES, 'Cut layers into low-rank chains where the engine is then faster.'),
    rank: called(
      RANKS,
      'How much of a layer stays; budget is of all MACs, latency of a layer’s time; default: energy.',
    ),
    unmeasured: flag('Take chains that multiply less even where this machine is not faster with them.'),
    keepMacs: percent('Share of the multiply-accumulates that may stay, for --blocks auto and --rank budget.'),
    palette: number('Weights share 2^N values: a smaller file, not a faster model.', { min: 1, max: 8, whole: true }),
    paletteChannels: number('Output channels that share a palette; 0, the default: all.', { min: 0, whole: true }),
    paletteAs: oneOf(
      PALETTES,
      'Small indices in the file (the default), or few different values for a compressed download.',
    ),
    store: oneOf(STORES, 'Weights in the smallest exact type, as float16 rounded, or as they are.', 'exact'),
    ...learningArgs,
    optimizer: called(OPTIMIZERS, 'What fine-tunes; LAMB moves each weight by a share of its own length.', 'lamb'),
    lr: text('Peak learning rate of fine-tuning.', '3e-3'),
    epochs: number('Passes of fine-tuning by distillation after lossy steps; 0: none.', { min: 0, whole: true }, 10),
    ...methodArgs,
  },
  async run(values, desk) {
    refuseAlone(values, NEEDS);
    const [{ compressModel }, { runsOn }] = await Promise.all([
      import('../../src/recipe/compress.ts'),
      import('../../src/report/runs-on.ts'),
    ]);
    const before = await desk.read(values.model);
    const sets = await desk.sets(before.model);
    const lab = await desk.lab();
    const seconds = stopwatch();
    const { blockEpochs = 10, rank = { name: 'energy', options: {} } } = values;
    const isLossy = values.blocks.length > 0 || values.factorize !== undefined;
    const { data, validation } = isLossy ? await samplesFor(values.blocks, sets, desk) : {};
    const options: CompressModelOptions = {
      run: runsOn(before.model, lab, { data: sets?.evaluation, dims: desk.dims }),
      ...(values.rule.length > 0 && { rules: values.rule }),
      opset: values.opset,
      tolerance: values.tolerance,
      data,
      blocks: blocksOf(values.blocks),
      blockTraining: blockEpochs > 0 && { epochs: blockEpochs },
      keepMacs: values.keepMacs,
      ...(values.factorize && {
        factorize: { by: values.factorize, rank: rankOf(rank, values.keepMacs), measured: !values.unmeasured },
      }),
      ...(values.maxDrop !== undefined &&
        validation && { drop: { most: values.maxDrop, score: await scoreBy(before.model, validation, lab) } }),
      tune: values.epochs > 0 && {
        ...fitOptions(values),
        ...(validation && validation.task !== 'unlabelled' && { validation }),
      },
      ...(values.palette !== undefined && {
        palette: { bits: values.palette, channels: values.paletteChannels ?? 0, as: values.paletteAs ?? 'indices' },
      }),
      store: values.store,
    };
    const done = await compressModel(before.model, options, lab);
    for (const { rule, relativeError } of done.reverted)
      desk.note(`${rule} was taken back: it moved an output by ${relativeError.toExponential(1)}`);
    if (isLossy && done.rewrites.every(({ method }) => method !== 'collapse' && method !== 'factorize'))
      desk.note('no layer was replaced: see "kept" in the JSON for the reasons');
    const { rewrites, kept, reverted, relativeError, epochs } = done;
    return finish(desk, {
      before,
      model: done.model,
      tag: 'lean',
      evaluation: sets?.evaluation,
      maxDrop: values.maxDrop,
      report: values.report,
      seconds: seconds(),
      ...(epochs.length > 0 && { curves: [{ step: 'fine-tuned', epochs }] }),
      result: { rewrites, kept, reverted, relativeError, ...(epochs.length > 0 && { epochs }) },
      shown: shown(done),
    });
  },
});

/** Flags that say more of others. */
const NEEDS: Takes = {
  blockEpochs: ['blocks'],
  rank: ['factorize'],
  unmeasured: ['factorize'],
  keepMacs: ['blocks', 'factorize'],
  paletteChannels: ['palette'],
  paletteAs: ['palette'],
};

/** What lossy steps learn from, and what says how far they may go. */
async function samplesFor(
  blocks: readonly string[],
  sets: Sets | undefined,
  desk: Desk,
): Promise<{ data?: Dataset; validation?: Dataset }> {
  const isRandom = desk.values.data === 'random';
  if (blocks.length > 0 && (isRandom || !sets?.train)) {
    throw new PareError(
      isRandom ? 'usage/value' : 'usage/missing',
      'Runs of layers are fitted to real samples; labels are not needed.',
      {
        where: '--data',
        expected: '--data SPEC',
        got: isRandom ? 'random, which is good for exact steps only' : 'no samples',
        hint: compress.example,
      },
    );
  }
  if (isRandom || !sets?.train) {
    desk.note('without real samples ranks are chosen from the weights alone, and nothing is fine-tuned');
    return {};
  }
  if (sets.validation) return { data: sets.train, validation: sets.validation };
  const { split } = await import('../../src/data/index.ts');
  if (sets.train.size < 20) return { data: sets.train };
  const parts = split(sets.train, { validation: 0.1, seed: desk.values.seed });
  return { data: parts.train, validation: parts.validation! };
}

/** A score of models on these samples: accuracy, the share of the original's error that is saved, or agreement with it. */
async function scoreBy(original: Model, validation: Dataset, lab: Lab): Promise<(model: Model) => Promise<number>> {
  const { agreement, evaluate } = await import('../../src/report/index.ts');
  const reference = { name: 'original', model: original };
  const whole = validation.task === 'regression' ? (await evaluate(reference, validation, lab)).metric.value : 1;
  return async (model) => {
    const subject = { name: 'compressed', model };
    if (!validation.labels) return (await agreement(subject, reference, validation, lab)).metric.value;
    const { metric } = await evaluate(subject, validation, lab);
    return metric.name === 'accuracy' ? metric.value : 1 - metric.value / whole;
  };
}

const BETWEEN = '..';

/** The words of --blocks: auto alone, or runs by the values they lead from and to. */
function blocksOf(words: readonly string[]): CompressModelOptions['blocks'] {
  if (words.length === 0) return undefined;
  if (words.length === 1 && words[0] === 'auto') return 'auto';
  return words.map((word) => {
    const [from, to, more] = word.split(BETWEEN);
    if (from && to && more === undefined) return { from, to };
    throw new PareError('usage/value', `--blocks takes auto, or two values: not "${word}".`, {
      where: '--blocks',
      expected: `auto, or FROM${BETWEEN}TO`,
      got: word,
    });
  });
}

function rankOf({ name, options }: Call<keyof typeof RANKS>, keepMacs: number | undefined): Rank {
  const [value] = Object.values(options);
  return RULES[name](value === undefined ? undefined : Number(value), keepMacs);
}

function shown({ rewrites, kept, relativeError }: Compressed): Block[] {
  const rows = new Map<string, { count: number; first: string }>();
  for (const { method, place, what } of rewrites) {
    const name = method === 'rewrite' ? what.slice(0, what.indexOf(':')) : method;
    const why = method === 'rewrite' ? what.slice(what.indexOf(':') + 2) : what;
    const row = rows.get(name);
    rows.set(name, { count: (row?.count ?? 0) + 1, first: row?.first ?? `${place}: ${why}` });
  }
  const lossy = rewrites.filter(({ method }) => method === 'collapse' || method === 'factorize');
  return [
    {
      kind: 'table',
      columns: [
        { title: 'what', align: 'left' },
        { title: 'times' },
        { title: 'for instance', align: 'left', most: 100 },
      ],
      rows: [...rows].map(([name, { count, first }]) => [name, `${count}`, first]),
    },
    ...(lossy.length > 0
      ? [
          {
            kind: 'table' as const,
            columns: [
              { title: 'layers', align: 'left' as const, most: 60 },
              { title: 'became', align: 'left' as const },
              { title: 'MACs' },
              { title: 'error' },
              { title: 'time' },
            ],
            rows: lossy.map(({ place, what, macsBefore = 0, macsAfter = 0, error, latencyRatio }) => [
              place,
              what,
              `${((100 * macsAfter) / macsBefore).toFixed(0)} %`,
              error?.toFixed(3) ?? '',
              latencyRatio === undefined ? '' : `${latencyRatio.toFixed(2)}x`,
            ]),
          },
        ]
      : []),
    {
      kind: 'text',
      text: `exact rewrites moved outputs by at most ${relativeError.toExponential(1)} of their largest; ${kept.length} places stayed, with reasons in the JSON`,
    },
  ];
}
