/** The flags that every verb has. */

import { PRESETS } from '../src/data/preprocess.ts';
import { flag, many, number, numbers, oneOf, path, spec, text, type ValuesOf } from './arg.ts';

/** Where a model can run, as `--device` names it. */
export const DEVICES = { cpu: true, cuda: true, webgpu: true } as const;
const LAYOUTS = { nchw: true, nhwc: true } as const;

export const commonArgs = {
  data: spec('Samples, and labels where there are any: glyphs, mnist, a folder, a CSV, NPY or NPZ file, random.'),
  eval: spec('Samples to score on; default: the test split of --data, or a share held back from it.'),
  out: path('What is written; default: beside the input, under a name of its own.'),
  json: flag('The result as one JSON object on stdout.'),
  seed: number('All randomness derives from it.', { min: 0, whole: true }, 0),
  threads: number('Threads of the engine; default: all cores.', { min: 1, max: 1024, whole: true }),
  replicas: number(
    'Copies of the model at work at the same time, which share the threads: on parts of a batch, or on batches.',
    {
      min: 1,
      max: 1024,
      whole: true,
    },
  ),
  device: oneOf(DEVICES, 'Where the model runs.', 'cpu'),
  config: path('A pare.config.json, .js, .mjs or .ts; flags win over it.'),
  quiet: flag('No progress.'),
  debug: flag('Stack traces.'),
} as const;

/** How samples become what the model sees. */
export const dataArgs = {
  preset: oneOf(PRESETS, 'Preprocessing to start from: imagenet, unit (0 to 1) or raw (0 to 255).'),
  resize: numbers('Shorter side in pixels, or height,width.'),
  crop: numbers('Side of the square cut from the middle, or height,width.'),
  mean: numbers('Subtracted after scaling, per channel.'),
  std: numbers('Divided by after that, per channel.'),
  scale: number('Factor on the stored value.'),
  layout: oneOf(LAYOUTS, 'Order of the axes that the model takes.'),
  label: text('The column of a table that holds the labels.'),
  ignore: many(text('A column of a table that is left out; may be repeated.')),
  length: number('Tokens per text; default: what 99 % of the training texts need.', { min: 1, whole: true }),
  vocabulary: number('Most words of a vocabulary that is learnt from the training texts.', { min: 3, whole: true }),
  tokenizer: path("A model's own tokenizer.json, for texts."),
  window: number('Rows per sample, for tables whose rows are steps in order.', { min: 1, whole: true }),
  horizon: number('How many rows behind the window its label stands.', { min: 0, whole: true }),
  dim: many(text('Length of an open axis of random inputs, as SYMBOL=LENGTH; may be repeated.')),
  limit: number('Score on this many samples at most.', { min: 1, whole: true }),
} as const;

export type CommonValues = ValuesOf<typeof commonArgs> & ValuesOf<typeof dataArgs>;
