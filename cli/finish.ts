/** The end of every method: write the model, read it back, measure both, and say what came out. */

import { basename, dirname, join, resolve } from 'node:path';
import { asPareError, PareError } from '../src/base/error.ts';
import { isWithin, showShare } from '../src/base/unit.ts';
import type { Dataset } from '../src/data/index.ts';
import type { Model } from '../src/graph/model.ts';
import type { BeforeAfter } from '../src/report/before-after.ts';
import type { Subject } from '../src/report/subject.ts';
import type { Curve, Summary } from '../src/report/summary.ts';
import { path, percent } from './arg.ts';
import type { Desk } from './desk.ts';
import { type Block, NOTHING, type Outcome } from './verb.ts';

/** The flags of every method. */
export const methodArgs = {
  maxDrop: percent('Share of the metric that may be lost (1% is one point); beyond it the exit code is 3.'),
  report: path('Where to write an HTML report.'),
} as const;

export interface Finish {
  /** The model as it was. */
  readonly before: Subject;
  readonly model: Model;
  /** "pruned": goes into the file's name and the table. */
  readonly tag: string;
  /** What is scored on; absent for no score. */
  readonly evaluation?: Dataset | undefined;
  /** Whose answers count as right where there are no labels. Default: the model as it was. */
  readonly reference?: Subject;
  /** The scores of both on `evaluation` where those who trained made them: the model is too large for one process, and not loaded here. */
  readonly scored?: { readonly name: string; readonly before: number; readonly after: number };
  readonly maxDrop: number | undefined;
  readonly report: string | undefined;
  readonly seconds: number;
  readonly curves?: readonly Curve[];
  /** Further keys of the JSON. */
  readonly result: Readonly<Record<string, unknown>>;
  /** Further blocks below the table. */
  readonly shown?: readonly Block[];
}

/**
 * Writes the result, measures the written file against the original, single-threaded and in turn, and scores both.
 *
 * Of several ranks the first does; the others have nothing to say.
 * Throws   usage/missing when --max-drop has nothing to score on; file/unwritable; what beforeAfter throws.
 */
export async function finish(desk: Desk, what: Finish): Promise<Outcome> {
  if (desk.collective.rank > 0) return NOTHING;
  const { before, model, tag, evaluation, scored, maxDrop, report, seconds, curves = [] } = what;
  const [{ beforeAfter }, { chanceNote, LEARNT }, { hardware }, { summaryTable }] = await Promise.all([
    import('../src/report/before-after.ts'),
    import('../src/report/chance.ts'),
    import('../src/runtime/profile.ts'),
    import('../src/report/summary-table.ts'),
  ]);
  if (maxDrop !== undefined && !evaluation) {
    throw new PareError('usage/missing', '--max-drop needs samples to score on.', { expected: '--data or --eval' });
  }
  const lab = await desk.lab();
  const out = desk.outFor(before.file ?? before.name, tag);
  if (scored) desk.note('the model was trained in parts: it is not timed here (pare bench times it)');
  const compared = await withWritten(desk, out, before, model, (written) =>
    beforeAfter({ ...before, name: 'original' }, { ...written, name: tag }, lab, {
      ...(scored ? { scored, batches: [] } : evaluation && { eval: evaluation }),
      ...(what.reference && { reference: what.reference }),
      dims: desk.dims,
    }),
  );
  const best = [compared.before.metric, compared.after.metric].flatMap((metric) => metric ?? []);
  const chances = best.map((metric) => chanceNote(metric, evaluation!, tag === 'trained' ? LEARNT : undefined));
  if (chances.length > 0 && chances.every((note) => note !== undefined)) desk.note(chances[0]!);
  const [first, last] = compared.steps;
  const summary: Summary = {
    title: `${before.name}, ${tag}`,
    steps: [first, { ...last, seconds }],
    curves,
    layers: compared.layers,
    tables: (what.shown ?? []).filter((block) => block.kind === 'table'),
    notes: ['latencies are single-threaded', ...desk.notes],
    machine: hardware(lab.engine),
    versions: { pare: desk.version, node: process.versions.node, onnxruntime: lab.engine.version },
    seed: desk.values.seed,
    ...(evaluation && { data: `${evaluation.name}, ${evaluation.size} samples` }),
    command: desk.command,
  };
  if (report !== undefined) {
    const { htmlReport } = await import('../src/report/html/page.ts');
    await desk.writeText(report, htmlReport(summary));
  }
  const missed = missedDrop(compared, maxDrop);
  return {
    result: {
      before: compared.before,
      after: compared.after,
      ...(compared.after.metric && { metric: compared.after.metric }),
      ...what.result,
      layers: compared.layers,
      out,
      ...(report !== undefined && { report }),
    },
    shown: [
      { kind: 'painted', paint: (paint) => summaryTable(summary, paint, desk.notes) },
      ...(what.shown ?? []),
      {
        kind: 'facts',
        facts: [
          ['written', out],
          ['report', report],
        ],
      },
    ],
    ...(missed && { missed: [missed] }),
  };
}

/**
 * Writes the model to `out` and looks at what was written. Where it replaces the original, which is looked at too, it lies beside
 * it for so long.
 */
async function withWritten<T>(
  desk: Desk,
  out: string,
  before: Subject,
  model: Model,
  look: (written: Subject) => Promise<T>,
): Promise<T> {
  const isInPlace = before.file !== undefined && resolve(before.file) === resolve(out);
  if (!isInPlace) {
    const written = await desk.read((await desk.write(out, model)).out);
    try {
      return await look(written);
    } catch (thrown) {
      if (asPareError(thrown).code === 'work/aborted') desk.note(`${out} is written; it was not measured`);
      throw thrown;
    }
  }
  const beside = join(dirname(out), `.${basename(out, '.onnx')}-${process.pid}.onnx`);
  try {
    await desk.write(beside, model);
    const seen = await look(await desk.read(beside));
    await desk.write(out, model);
    return seen;
  } finally {
    const { rm } = await import('node:fs/promises');
    for (const path of [beside, `${beside}_data`]) await rm(path, { force: true });
  }
}

function missedDrop({ before, after }: BeforeAfter, maxDrop: number | undefined): string | undefined {
  if (maxDrop === undefined) return undefined;
  if (!before.metric || !after.metric) return `--max-drop ${showShare(maxDrop)}: nothing could be scored`;
  const isError = before.metric.name === 'rmse';
  const drop = isError
    ? (after.metric.value - before.metric.value) / before.metric.value
    : before.metric.value - after.metric.value;
  if (isWithin(drop, maxDrop)) return undefined;
  return `--max-drop ${showShare(maxDrop)}: ${before.metric.name} ${isError ? 'rose' : 'fell'} by ${showShare(drop)}`;
}

/** Seconds since the first call. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => (performance.now() - start) / 1000;
}
