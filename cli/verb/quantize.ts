/** `pare quantize`: fewer bits for weights and activations, by one of several schemes. */

import { PareError } from '../../src/base/error.ts';
import { nearest } from '../../src/base/suggest.ts';
import type { Model } from '../../src/graph/model.ts';
import { type BlockedMethod, blockedMethods } from '../../src/quantize/blocked/index.ts';
import { calibrators } from '../../src/quantize/calibrate/index.ts';
import { corrections } from '../../src/quantize/correct/index.ts';
import { dtypes } from '../../src/quantize/dtype.ts';
import { given } from '../../src/quantize/given.ts';
import { gridForms } from '../../src/quantize/grid.ts';
import type { Quickened } from '../../src/quantize/quicken.ts';
import { type Rounding, roundings } from '../../src/quantize/round/index.ts';
import { type Scheme, type SchemeName, schemes, type Wish } from '../../src/quantize/scheme/index.ts';
import { targets } from '../../src/quantize/target.ts';
import { flag, listed, many, number, oneOf, path, quantity, required, text } from '../arg.ts';
import type { Desk } from '../desk.ts';
import { finish, methodArgs, stopwatch } from '../finish.ts';
import { refuseBoth, refuseForeign, type Takes } from '../foreign.ts';
import { writeHub } from '../hub.ts';
import type { Sets } from '../sets.ts';
import { missedLatency, missedSize, noteWorse } from '../shortfalls.ts';
import { NOTHING, verb } from '../verb.ts';

const KERNELS = { measured: true, all: true } as const;
const FORMATS = { qdq: true, qoperator: true } as const;

export const quantize = verb({
  name: 'quantize',
  about: 'Store and compute with fewer bits: static (calibrated), dynamic, weights only, 16 bits.',
  example: 'pare quantize resnet18.onnx --data imagenet/val --preset imagenet --out int8.onnx',
  takes: { model: required(path('The ONNX model to quantise.')) },
  args: {
    dtype: listed(
      oneOf(
        dtypes,
        'Forms that transformers.js loads, with commas between them, instead of one scheme; --out is their folder.',
      ),
    ),
    scheme: oneOf(schemes, 'What becomes integers, and when; default: static.'),
    bits: number('Bits of a weight; default: the scheme decides.', { min: 2, max: 8, whole: true }),
    calibrate: oneOf(calibrators, 'How the range of an activation is chosen (static, qat); default: minmax.'),
    round: oneOf(
      { ...roundings, ...blockedMethods },
      'How weights are rounded (static); hqq, gptq and awq are for weight-only; default: nearest.',
    ),
    iterations: number('Updates for each layer or block, where rounding is learnt; default 1000.', {
      min: 1,
      whole: true,
    }),
    epochs: number('Passes over the data, where the network learns (qat); default 3.', { min: 1, whole: true }),
    lr: number('Peak learning rate (qat); default 1e-4, below 6 bits 1e-3.', { min: 0 }),
    biasCorrect: oneOf(corrections, 'How biases make up for rounding; default: fast, none where rounding is learnt.'),
    target: oneOf(targets, 'Where the model will run; default: here.'),
    format: oneOf(
      FORMATS,
      'Pairs of QuantizeLinear and DequantizeLinear, or integer operators (static); default: qdq.',
    ),
    equalize: flag('Even out the channels of neighbouring layers first.'),
    smooth: number('Move outliers of activations into weights first (static): α of SmoothQuant, such as 0.5.', {
      min: 0,
      max: 1,
    }),
    samples: number('Samples to calibrate on; default: 300, for gptq and awq 128.', { min: 1, whole: true }),
    block: number('Weights that share a scale (weight-only).', { min: 16, max: 256, whole: true }),
    standard: flag('Standard ONNX alone: blocks behind DequantizeLinear instead of MatMulNBits (weight-only).'),
    embeddings: flag('Embedding tables in 4 bits too (weight-only).'),
    perTensor: flag('One weight scale per tensor, not per channel.'),
    activations: oneOf(gridForms, 'How the integers of activations lie about 0 (static, qat); default: u8.'),
    exclude: many(text('A node, by its name or its output, or an op, that stays in floats; may be repeated.')),
    kernels: oneOf(
      KERNELS,
      'Integer kernels only where they are faster here, or everywhere (static); default: measured, except for --target, --activations, --format qoperator, --bits and --round.',
    ),
    targetSize: quantity(
      'bytes',
      'Most bytes of the file: weights of 4 bits for as few layers as bring it there (static).',
    ),
    targetLatency: quantity(
      'milliseconds',
      'Most time for one sample on one thread here: integers for as few layers as bring it there (static).',
    ),
    products: flag('Quantise products of two computed values, as in attention.'),
    portable: flag('Keep weights safe for processors that add 8-bit products in 16 bits, whatever this one does.'),
    ...methodArgs,
  },
  isParallel: true,
  async run({ model: file, dtype, scheme: asked, maxDrop, report: page, ...wishes }, desk) {
    const { targetSize, targetLatency, samples = 300, ...request } = wishes;
    const name = asked ?? 'static';
    const scheme: Scheme = schemes[name];
    if (dtype.length > 0) refuseForeign({ scheme: asked, maxDrop, report: page, ...wishes }, '--dtype', DTYPE_TAKES);
    else {
      refuseForeign(wishes, `--scheme ${name}`, SCHEME_TAKES);
      refuseForeign({ [roundingOf(request.round)]: request.round }, `--scheme ${name}`, SCHEME_ROUNDS);
      refuseForeign(wishes, `--round ${request.round ?? 'nearest'}`, ROUND_TAKES[name] ?? {});
      refuseBoth(wishes, SETTLED);
    }
    const before = await desk.read(file);
    checkExcluded(request.exclude, before.model);
    if (dtype.length > 0) {
      if (desk.collective.rank > 0) return NOTHING;
      return await writeHub(
        desk,
        { ...before, file },
        dtype,
        given({ block: request.block, exclude: request.exclude }),
      );
    }
    const sets = await desk.sets(before.model);
    const data = samplesFor(scheme, sets, desk);
    const seconds = stopwatch();
    const answer = await scheme.run(
      before.model,
      {
        ...request,
        samples,
        data,
        judge: sets?.validation ?? data,
        maxDrop,
        maxBytes: targetSize,
        maxMs: targetLatency,
      },
      await desk.sharedLab(),
    );
    const { kept, quantized, details } = answer;
    const outcome = await finish(desk, {
      before,
      model: answer.model,
      tag: tagOf(name, request.bits),
      evaluation: sets?.evaluation,
      maxDrop,
      report: page,
      seconds: seconds(),
      result: { scheme: answer.scheme, kept, quantized, ...details },
      shown: [
        {
          kind: 'facts',
          facts: [
            ['scheme', answer.scheme],
            ['quantised', `${quantized} nodes`],
          ],
        },
        {
          kind: 'table',
          columns: [
            { title: 'stayed float', align: 'left' },
            { title: 'op', align: 'left' },
            { title: 'because', align: 'left' },
          ],
          rows: kept.map(({ node, op, why }) => [node, op, why]),
        },
      ],
    });
    if (desk.collective.rank > 0) return NOTHING;
    noteWorse(outcome, quantized, desk);
    const missed = [
      ...(outcome.missed ?? []),
      ...missedSize(outcome, targetSize),
      ...missedLatency(details?.['quickened'] as Quickened | undefined, targetLatency),
    ];
    return { ...outcome, missed };
  },
});

/** The flags of this verb that hold what a scheme is asked for under another name. */
const FLAGS: Partial<Record<Wish, string>> = { maxBytes: 'targetSize', maxMs: 'targetLatency' };

const SCHEME_TAKES: Takes = Object.fromEntries(
  Object.entries<Scheme>(schemes).map(([name, { takes }]) => [
    `--scheme ${name}`,
    takes.map((wish) => FLAGS[wish] ?? wish),
  ]),
);

/** Forms for the Hub are what their names say. */
const DTYPE_TAKES: Takes = {
  '--dtype': ['block'],
  '--scheme': [...new Set(Object.values(SCHEME_TAKES).flat()), 'scheme', 'maxDrop', 'report'].filter(
    (name) => name !== 'block',
  ),
};

const ROUND_TAKES: Partial<Record<SchemeName, Takes>> = {
  static: Object.fromEntries(
    Object.entries<Rounding>(roundings).map(([name, { learns }]) => [`--round ${name}`, learns ? ['iterations'] : []]),
  ),
  'weight-only': Object.fromEntries(
    Object.entries<BlockedMethod>(blockedMethods).map(([name, { learn, scalesInputs }]) => [
      `--round ${name}`,
      learn || scalesInputs ? ['samples'] : [],
    ]),
  ),
};

const roundingOf = (round: string | undefined): string => `round ${round}`;

/** The roundings of each scheme, written as a flag with its value. */
const SCHEME_ROUNDS: Takes = Object.fromEntries(
  Object.entries(ROUND_TAKES).map(([name, takes]) => [
    `--scheme ${name}`,
    Object.keys(takes).map((flagged) => flagged.slice('--'.length)),
  ]),
);

/** Flags, and what settles what they say. */
const SETTLED = [
  ['bits', 'targetSize'],
  ['target', 'targetLatency'],
  ['kernels', 'targetLatency'],
] as const;

/** What the result is called, in its file's name too: the type of its weights. */
const tagOf = (scheme: keyof typeof schemes, bits: number | undefined): string =>
  scheme === 'fp16' || scheme === 'bf16' || scheme === 'bnb4'
    ? scheme
    : `int${bits ?? (scheme === 'weight-only' ? 4 : 8)}`;

/** Throws usage/value for a word that is no node's name or output, no weight, and no op. */
function checkExcluded(exclude: readonly string[], { graph }: Model): void {
  const nodes = graph.nodes.flatMap(({ name, op, outputs }) => [name, op, ...outputs]);
  const names = new Set([...nodes, ...graph.initializers.keys()]);
  const idle = exclude.find((word) => !names.has(word));
  if (idle === undefined) return;
  const near = nearest(idle, names);
  throw new PareError('usage/value', `--exclude "${idle}" is no node of this model.`, {
    where: '--exclude',
    expected: "a node's name or output, or an op",
    got: idle,
    ...(near && { hint: `did you mean "${near}"?` }),
  });
}

/** What a scheme that needs samples gets. */
function samplesFor({ needsData }: Scheme, sets: Sets | undefined, desk: Desk): Sets['train'] {
  const data = sets?.train ?? sets?.evaluation;
  if (needsData === undefined) return data;
  if (!data) {
    throw new PareError('usage/missing', `pare quantize needs ${needsData}; labels are not needed.`, {
      expected: '--data SPEC',
      hint: quantize.example,
    });
  }
  if (!sets?.train) desk.note('calibrated on the samples that are scored: --data names others');
  return data;
}
