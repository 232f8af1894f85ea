/** `pare prune`: whole channels removed, and everything that only they fed; or zeros, or whole blocks. */

import { criteria } from '../../src/prune/criterion/index.ts';
import { rankings } from '../../src/prune/rank/index.ts';
import { schedules } from '../../src/prune/schedule.ts';
import { sparsifiers } from '../../src/prune/sparse/sparsify.ts';
import { flag, number, oneOf, path, required, text } from '../arg.ts';
import { methodArgs } from '../finish.ts';
import { budgetArgs } from '../prune/budget.ts';
import { tuneArgs } from '../prune/tune.ts';
import { NOTHING, verb } from '../verb.ts';

const COMBINATIONS = { sum: true, mean: true, max: true } as const;
const NORMALIZATIONS = { mean: true, sum: true, max: true, none: true } as const;

export const pruneArgs = {
  ...budgetArgs,
  by: oneOf(criteria, 'How a channel earns its place.', 'l2'),
  combine: oneOf(
    COMBINATIONS,
    "How the scores of a group's members become one; default: mean, or sum where the criterion is a change of the loss.",
  ),
  normalize: oneOf(NORMALIZATIONS, "How groups are made comparable; default: the criterion's own."),
  rank: oneOf(
    rankings,
    'Who competes: all channels, each group alone, groups of one structure, or all by what each group was measured to cost.',
    'global',
  ),
  samples: number('Samples for slopes and activations; 256 when left out.', { min: 1, whole: true }),
  cutPorts: flag('Cut the channels of graph inputs and outputs too.'),
  steps: number('Cuts on the way to the budget.', { min: 1, whole: true }, 1),
  schedule: oneOf(schedules, 'How the budget is approached over the steps.', 'cubic'),
  reestimate: flag('Take the statistics of batch normalisation anew on the data.'),
  reconstruct: flag("Fit the layers behind the cut to the dense model's answers; no labels needed."),
  ...tuneArgs,
  explain: flag('Say which cut leads to which, group by group, and write nothing.'),
  zeros: text('Zeros instead of cuts: a share such as 50%, or N:M such as 2:4.'),
  zerosBy: oneOf(sparsifiers, 'How a connection earns its place.', 'magnitude'),
  dropBlocks: number('Residual blocks to leave out instead, those that change least.', { min: 1, whole: true }),
  sensitivity: path('Cut each group alone by several shares and write what it does here (JSON; a picture beside it).'),
  ...methodArgs,
} as const;

export const prune = verb({
  name: 'prune',
  about: 'Remove whole channels, and everything that only they fed.',
  example: 'pare prune resnet18.onnx --keep-macs 50% --by taylor --data imagenet/val --out small.onnx',
  takes: { model: required(path('The ONNX model to prune.')) },
  args: pruneArgs,
  isParallel: true,
  async run(values, desk) {
    // A scan is shared by all ranks; a cut is the first one's.
    if (desk.collective.rank > 0 && (values.explain || values.sensitivity === undefined)) return NOTHING;
    if (values.explain) return (await import('../prune/explain.ts')).explainGroups(values, desk);
    if (values.sensitivity !== undefined) return (await import('../prune/scan.ts')).scan(values, desk);
    if (values.zeros !== undefined) return (await import('../prune/zeros.ts')).makeZeros(values, desk);
    if (values.dropBlocks !== undefined) return (await import('../prune/blocks.ts')).leaveOutBlocks(values, desk);
    return (await import('../prune/channels.ts')).cutChannels(values, desk);
  },
});
