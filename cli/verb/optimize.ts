/** `pare optimize`: finds the recipe that makes a model small and fast within a budget, with the evidence. */

import { readFile, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { PareError } from '../../src/base/error.ts';
import { PRESETS, type PresetName } from '../../src/data/preprocess.ts';
import type { Budget, OptimizeOptions } from '../../src/optimize/index.ts';
import { presets, type RecipeName } from '../../src/recipe/preset.ts';
import { many, oneOf, path, percent, quantity, required, text } from '../arg.ts';
import { tellSearch } from '../optimized.ts';
import { type Outcome, verb } from '../verb.ts';

/** Preprocessing and ends share a flag, and no name. */
const BOTH = { ...PRESETS, ...presets };

const OBJECTIVES = { latency: true, size: true, 'energy-proxy': true } as const;

export const optimize = verb({
  name: 'optimize',
  about: 'Find the recipe: the smallest and fastest model within a budget, with the evidence and a report.',
  example: 'pare optimize resnet18.onnx --data imagenet/val --preset imagenet --max-drop 1%',
  takes: { model: required(path('The ONNX model to optimise.')) },
  args: {
    maxDrop: percent('Share of the metric that may be lost (1% is one point).', '1%'),
    targetLatency: quantity('milliseconds', 'Most time for one sample on one thread.'),
    targetSize: quantity('bytes', 'Most bytes of the written file.'),
    targetMacs: quantity('count', 'Most multiply-accumulates of one sample.'),
    preset: many(
      oneOf(
        BOTH,
        'An end: web, server or tiny, for a target and an objective that are not given and a recipe to try first; or preprocessing. May be given twice.',
      ),
    ),
    objective: oneOf(OBJECTIVES, 'What should be small; default: latency, or with a target, the loss.'),
    target: text(
      'Where it should be fast: here, wasm, node-vnni, x86, arm, webgpu, or a profile by pare doctor --save; default: here.',
    ),
    timeBudget: quantity('duration', 'How long the search may take; default: 10m.'),
    report: path('Where to write the HTML report; default: beside the result.'),
    recipe: path('Where to write the recipe; default: beside the result.'),
    journal: path('Folder that keeps every trial, so that the same search need not measure again.'),
  },
  async run({ preset: named, ...given }, desk): Promise<Outcome> {
    const end = named.findLast((name): name is RecipeName => Object.hasOwn(presets, name));
    const preset = named.findLast((name): name is PresetName => Object.hasOwn(PRESETS, name));
    const values = { ...given, preset };
    const { openJournal, optimize: optimizeModel } = await import('../../src/optimize/index.ts');
    const before = await desk.read(values.model);
    const data = await desk.splits(before.model, { preset });
    const out = desk.outFor(values.model, 'optimized');
    const beside = (ending: string): string => `${out.slice(0, out.length - extname(out).length)}${ending}`;
    const folder = values.journal ?? beside('.search');
    desk.checkpoint(folder, desk.command);
    const budget: Budget = {
      maxDrop: values.maxDrop,
      targetLatencyMs: values.targetLatency,
      targetBytes: values.targetSize,
      targetMacs: values.targetMacs,
      objective: values.objective,
      timeMs: values.timeBudget,
    };
    const options = {
      data,
      preset: end,
      journal: await openJournal(folder),
      budget,
      target: await targetOf(values.target),
    };
    const found = await optimizeModel(before.model, options, await desk.lab());
    const files = { out, recipe: values.recipe ?? beside('.recipe.json'), report: values.report ?? beside('.html') };
    const outcome = await tellSearch(values, before, found, files, desk);
    if (values.journal === undefined) await rm(folder, { recursive: true, force: true });
    return outcome;
  },
});

/** A machine by name, or the profile in a file. Throws file/missing; config/… for a file that holds none. */
async function targetOf(name: string | undefined): Promise<OptimizeOptions['target']> {
  if (name === undefined || !/[./\\]/.test(name)) return name as OptimizeOptions['target'];
  const { parseProfile } = await import('../../src/optimize/index.ts');
  const content = await readFile(name, 'utf8').catch((cause) => {
    throw new PareError('file/missing', `There is no profile "${name}".`, { where: name, cause });
  });
  return parseProfile(content, name);
}
