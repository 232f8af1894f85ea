/** `pare optimize`: finds the recipe that makes a model small and fast within a budget, with the evidence. */

import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, extname, relative } from 'node:path';
import { PareError } from '../../src/base/error.ts';
import { pick } from '../../src/base/suggest.ts';
import { showShare } from '../../src/base/unit.ts';
import type { Optimized, Target, Trial } from '../../src/optimize/index.ts';
import type { Lab } from '../../src/runtime/index.ts';
import { oneOf, path, percent, quantity, required, text } from '../arg.ts';
import type { CommonValues } from '../common-args.ts';
import type { Desk } from '../desk.ts';
import { type Block, type Outcome, verb } from '../verb.ts';

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
    objective: oneOf(OBJECTIVES, 'What should be small; default: latency, or with a target, the loss.'),
    target: text(
      'Where it should be fast: here, wasm, node-vnni, x86, arm, webgpu, or a profile by pare doctor --save; default: here.',
    ),
    timeBudget: quantity('duration', 'How long the search may take; default: 10m.'),
    report: path('Where to write the HTML report; default: beside the result.'),
    recipe: path('Where to write the recipe; default: beside the result.'),
    journal: path('Folder that keeps every trial, so that the same search need not measure again.'),
  },
  async run(values, desk): Promise<Outcome> {
    const { openJournal, optimize: optimizeModel } = await import('../../src/optimize/index.ts');
    const before = await desk.read(values.model);
    const data = await desk.splits(before.model);
    const out = desk.outFor(values.model, 'optimized');
    const beside = (ending: string): string => `${out.slice(0, out.length - extname(out).length)}${ending}`;
    const folder = values.journal ?? beside('.search');
    desk.checkpoint(folder, desk.command);
    const journal = await openJournal(folder);
    const lab = await desk.lab();
    using target = await openTarget(values.target, lab);
    const found = await optimizeModel(
      before.model,
      {
        data,
        journal,
        stopwatch: target?.stopwatch,
        budget: {
          maxDrop: values.maxDrop,
          targetLatencyMs: values.targetLatency,
          targetBytes: values.targetSize,
          targetMacs: values.targetMacs,
          objective: values.objective,
          timeMs: values.timeBudget,
        },
      },
      lab,
    );
    const files = { out, recipe: values.recipe ?? beside('.recipe.json'), report: values.report ?? beside('.html') };
    const outcome = await tell(values, before, found, files, desk);
    if (values.journal === undefined) await rm(folder, { recursive: true, force: true });
    return outcome;
  },
});

/** The machine that latency is for; undefined for this one. */
async function openTarget(name: string | undefined, lab: Lab): Promise<Target | undefined> {
  if (name === undefined) return undefined;
  const { parseProfile, predictedStopwatch, targets } = await import('../../src/optimize/index.ts');
  if (!/[./\\]/.test(name)) return await pick<(typeof targets)['here']>(targets, name, 'target')(lab);
  const content = await readFile(name, 'utf8').catch((cause) => {
    throw new PareError('file/missing', `There is no profile "${name}".`, { where: name, cause });
  });
  return { stopwatch: predictedStopwatch(parseProfile(content, name)), [Symbol.dispose]() {} };
}

interface Files {
  readonly out: string;
  readonly recipe: string;
  readonly report: string;
}

/** Writes the model, the recipe and the report; measures the written file against the original. */
async function tell(
  values: CommonValues & { readonly model: string; readonly maxDrop: number },
  before: Awaited<ReturnType<Desk['read']>>,
  found: Optimized,
  files: Files,
  desk: Desk,
): Promise<Outcome> {
  const [
    { searchSummary },
    { beforeAfter, htmlReport, summaryTable },
    { hardware },
    { describeSteps, recipeJson },
    { digest },
  ] = await Promise.all([
    import('../../src/optimize/index.ts'),
    import('../../src/report/index.ts'),
    import('../../src/runtime/profile.ts'),
    import('../../src/recipe/index.ts'),
    import('../../src/optimize/journal.ts'),
  ]);
  const lab = await desk.lab();
  const { evidence, chosen } = found;
  await desk.write(files.out, found.model);
  const recipe = {
    ...found.recipe,
    model: {
      file: relative(dirname(files.recipe), values.model),
      sha256: await digest(await readFile(values.model)),
    },
    flags: dataFlags(values),
  };
  await desk.writeText(files.recipe, recipeJson(recipe));
  const written = { ...(await desk.read(files.out)), name: 'optimized' };
  const compared = await beforeAfter({ ...before, name: 'original' }, written, lab, { dims: desk.dims });
  const scored = evidence
    ? { before: { ...compared.before, metric: evidence.before }, after: { ...compared.after, metric: evidence.after } }
    : compared;
  const [first, last] = compared.steps;
  const summary = {
    title: `${basename(values.model, extname(values.model))}, optimised`,
    steps: [
      { ...first, ...(evidence && { metric: evidence.before }) },
      { ...last, ...(evidence && { metric: evidence.after }), seconds: found.seconds },
    ],
    curves: [],
    layers: compared.layers,
    notes: [`the recipe: ${describeSteps(chosen.calls)}`, 'latencies are single-threaded', ...desk.notes],
    machine: hardware(lab.engine),
    versions: { pare: desk.version, node: process.versions.node, onnxruntime: lab.engine.version },
    seed: values.seed,
    ...(evidence && { data: `${evidence.data.name}, ${evidence.data.size} samples` }),
    command: desk.command,
    search: await searchSummary(before.model, found, values.maxDrop, lab),
  };
  await desk.writeText(files.report, htmlReport(summary));
  const interval = evidence && {
    low: evidence.change.interval.low,
    high: evidence.change.interval.high,
    confidence: evidence.change.interval.confidence,
    samples: evidence.change.samples,
    lost: evidence.change.lost,
    won: evidence.change.won,
    pValue: evidence.change.pValue,
  };
  if (evidence?.tooSmall) desk.note(evidence.tooSmall);
  return {
    result: {
      before: scored.before,
      after: scored.after,
      recipe: chosen.calls,
      frontier: found.frontier.map((trial) => trialJson(trial, trial.key === chosen.key)),
      trials: found.trials.map((trial) => trialJson(trial, trial.key === chosen.key)),
      ...(evidence && { drop: evidence.drop, interval }),
      latency: found.latency,
      seconds: found.seconds,
      layers: compared.layers,
      report: files.report,
      recipeFile: files.recipe,
      out: files.out,
    },
    shown: shownOf(summary, found, files),
    ...(found.missed.length > 0 && { missed: found.missed }),
  };

  function shownOf(of: typeof summary, { trials }: Optimized, { out, recipe: file, report }: Files): Block[] {
    return [
      { kind: 'painted', paint: (paint) => summaryTable(of, paint) },
      { kind: 'title', text: 'the recipe' },
      { kind: 'text', text: describeSteps(chosen.calls) },
      {
        kind: 'facts',
        facts: [
          ['trials', `${trials.length}`],
          [
            'drop',
            interval &&
              `${showShare(evidence!.drop)}, ${showShare(interval.low)} to ${showShare(interval.high)} at ${showShare(interval.confidence, 0)} (${interval.lost} lost, ${interval.won} won of ${interval.samples})`,
          ],
          ['written', out],
          ['recipe', file],
          ['report', report],
        ],
      },
    ];
  }
}

const trialJson = (
  { key, calls, bytes, parameters, macs, latencyMs, latencyRatio, metric, drop, seconds }: Trial,
  isChosen: boolean,
) => ({
  key,
  recipe: calls,
  bytes,
  parameters,
  macs,
  latencyMs,
  latencyRatio,
  ...(metric !== undefined && { metric }),
  drop,
  seconds,
  ...(isChosen && { chosen: true }),
});

/** The flags that say what the data is, as a recipe keeps them. */
function dataFlags(values: CommonValues): Record<string, unknown> {
  const { data, eval: scored, preset, resize, crop, mean, std, scale, layout, label, dim, limit } = values;
  const given = { data, eval: scored, preset, resize, crop, mean, std, scale, layout, label, limit };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(dim.length > 0 && { dim }),
  };
}
