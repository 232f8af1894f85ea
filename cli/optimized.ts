/** What a search found, as the command line tells it: the files, the figures of the written model, JSON and words. */

import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, relative } from 'node:path';
import { showShare } from '../src/base/unit.ts';
import type { Evidence, Optimized, Trial } from '../src/optimize/index.ts';
import type { Subject } from '../src/report/subject.ts';
import type { Summary } from '../src/report/summary.ts';
import type { CommonValues } from './common-args.ts';
import type { Desk } from './desk.ts';
import type { Block, Outcome } from './verb.ts';

export interface Files {
  readonly out: string;
  readonly recipe: string;
  readonly report: string;
}

type Values = CommonValues & { readonly model: string; readonly maxDrop: number };

/** Writes the model, the recipe and the report; measures the written file against the original. */
export async function tellSearch(
  values: Values,
  before: Subject,
  found: Optimized,
  files: Files,
  desk: Desk,
): Promise<Outcome> {
  const [{ searchSummary }, { beforeAfter, htmlReport }, { hardware }, { describeSteps, recipeJson }, { digest }] =
    await Promise.all([
      import('../src/optimize/index.ts'),
      import('../src/report/index.ts'),
      import('../src/runtime/profile.ts'),
      import('../src/recipe/index.ts'),
      import('../src/optimize/journal.ts'),
    ]);
  const lab = await desk.lab();
  const { evidence, chosen, seconds, trials, frontier, latency, missed } = found;
  await desk.write(files.out, found.model);
  const model = {
    file: relative(dirname(files.recipe), values.model),
    sha256: await digest(await readFile(values.model)),
  };
  await desk.writeText(files.recipe, recipeJson({ ...found.recipe, model, flags: dataFlags(values) }));
  const written = { ...(await desk.read(files.out)), name: 'optimised' };
  const compared = await beforeAfter({ ...before, name: 'original' }, written, lab, { dims: desk.dims });
  if (evidence?.tooSmall) desk.note(evidence.tooSmall);
  const [first, last] = compared.steps;
  const summary: Summary = {
    title: `${basename(values.model, extname(values.model))}, optimised`,
    steps: [
      { ...first, ...(evidence && { metric: evidence.before }) },
      { ...last, ...(evidence && { metric: evidence.after }), seconds },
    ],
    curves: [],
    layers: compared.layers,
    notes: ['latencies are single-threaded', ...desk.notes],
    machine: hardware(lab.engine),
    versions: { pare: desk.version, node: process.versions.node, onnxruntime: lab.engine.version },
    seed: values.seed,
    ...(evidence && { data: `${evidence.data.name}, ${evidence.data.size} samples` }),
    command: desk.command,
    search: await searchSummary(before.model, found, values.maxDrop, lab),
  };
  await desk.writeText(files.report, htmlReport(summary));
  return {
    result: {
      before: { ...compared.before, ...(evidence && { metric: evidence.before }) },
      after: { ...compared.after, ...(evidence && { metric: evidence.after }) },
      recipe: chosen.calls,
      frontier: frontier.map((trial) => trialJson(trial, trial.key === chosen.key)),
      trials: trials.map((trial) => trialJson(trial, trial.key === chosen.key)),
      ...(evidence && { drop: evidence.drop, interval: intervalJson(evidence) }),
      ...(missed.length > 0 && { missed }),
      latency,
      seconds,
      layers: compared.layers,
      report: files.report,
      recipeFile: files.recipe,
      out: files.out,
    },
    shown: await shownOf(summary, found, files, describeSteps(chosen.calls), desk.notes),
    ...(missed.length > 0 && { missed }),
  };
}

async function shownOf(
  summary: Summary,
  { trials, evidence }: Optimized,
  { out, recipe, report }: Files,
  steps: string,
  told: readonly string[],
): Promise<Block[]> {
  const { summaryTable } = await import('../src/report/index.ts');
  return [
    { kind: 'painted', paint: (paint) => summaryTable(summary, paint, told) },
    { kind: 'title', text: 'the recipe' },
    { kind: 'text', text: steps },
    {
      kind: 'facts',
      facts: [
        ['trials', `${trials.length}`],
        ['drop', evidence && dropInWords(evidence)],
        ['written', out],
        ['recipe', recipe],
        ['report', report],
      ],
    },
  ];
}

const dropInWords = ({ drop, change: { interval, lost, won, samples } }: Evidence): string =>
  `${showShare(drop)}, ${showShare(interval.low)} to ${showShare(interval.high)} at ${showShare(interval.confidence, 0)} (${lost} lost, ${won} won of ${samples})`;

const intervalJson = ({ change: { interval, ...counts } }: Evidence) => ({ ...interval, ...counts });

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
