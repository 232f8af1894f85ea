/** A model in several forms, laid out as transformers.js and the Hugging Face Hub expect them. */

import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { PareError } from '../src/base/error.ts';
import { showBytes, showMs } from '../src/base/unit.ts';
import { type Dtype, type DtypeName, type DtypeOptions, dtypes } from '../src/quantize/dtype.ts';
import type { Subject } from '../src/report/subject.ts';
import type { Desk } from './desk.ts';
import type { Outcome } from './verb.ts';

/** The folder that holds the model files, inside the repository. */
const FOLDER = 'onnx';

/**
 * Writes OUT/onnx/NAME<suffix>.onnx for every dtype, OUT/quantize_config.json, and hints in OUT/config.json, which is kept
 * otherwise as it is. NAME is the input's own name where it comes from such a folder, else "model".
 *
 * Throws   file/unwritable; file/damaged for a config.json that is no JSON; what the dtypes throw.
 */
export async function writeHub(
  desk: Desk,
  before: Subject & { readonly file: string },
  names: readonly DtypeName[],
  options: DtypeOptions,
): Promise<Outcome> {
  const isInFolder = basename(dirname(before.file)) === FOLDER;
  const out = desk.values.out ?? (isInFolder ? dirname(dirname(before.file)) : join(dirname(before.file), before.name));
  const name = isInFolder ? basename(before.file, extname(before.file)) : 'model';
  const lab = await desk.lab();
  await mkdir(join(out, FOLDER), { recursive: true });
  const written: Subject[] = [];
  const kept = [];
  const external: Record<string, number> = {};
  for (const [i, dtype] of names.entries()) {
    const { run, suffix }: Dtype = dtypes[dtype];
    const made = await run(before.model, options, lab);
    const file = join(out, FOLDER, `${name}${suffix}.onnx`);
    const { files } = await desk.write(file, made.model);
    if (files > 1) external[basename(file)] = files - 1;
    written.push({ ...(await desk.read(file)), name: dtype });
    kept.push(...made.kept.map((node) => ({ ...node, dtype })));
    lab.onProgress?.({ task: 'write', done: i + 1, total: names.length });
  }
  await writeConfigs(desk, out, names, external, options);
  const { measureModels } = await import('../src/report/measure-models.ts');
  const [original, ...measured] = await measureModels([{ ...before, name: 'original' }, ...written], lab, {
    dims: desk.dims,
  });
  const figures = measured.map(({ name: dtype, timings, unknown: _, ...sizes }, i) => ({
    dtype,
    out: written[i]!.file!,
    ...sizes,
    latencyMs: Object.fromEntries(timings.map(({ batch, p50Ms }) => [`b${batch}`, p50Ms])),
    latencyRatio: Object.fromEntries(timings.map(({ batch, ratio }) => [`b${batch}`, ratio])),
  }));
  const { timings, unknown: _, ...sizes } = original!;
  const batch = timings[0];
  return {
    result: {
      before: { ...sizes, latencyMs: Object.fromEntries(timings.map((timing) => [`b${timing.batch}`, timing.p50Ms])) },
      after: figures[0],
      files: figures,
      scheme: names.join(', '),
      kept,
      out,
    },
    shown: [
      {
        kind: 'table',
        columns: [
          { title: 'dtype', align: 'left' },
          { title: 'size' },
          { title: `latency b${batch?.batch ?? 1}` },
          { title: 'file', align: 'left' },
        ],
        rows: [original!, ...measured].map(({ name: dtype, bytes, timings: own }, i) => [
          dtype,
          showBytes(bytes),
          own[0] ? showMs(own[0].p50Ms) : '',
          i === 0 ? before.file : written[i - 1]!.file!,
        ]),
      },
      { kind: 'facts', facts: [['written', out]] },
    ],
  };
}

/** What was done, and what a loader should take when nobody says. */
async function writeConfigs(
  desk: Desk,
  out: string,
  names: readonly DtypeName[],
  external: Readonly<Record<string, number>>,
  options: DtypeOptions,
): Promise<void> {
  const recipe = { tool: 'pare', version: desk.version, modes: names, ...options };
  await desk.writeText(join(out, 'quantize_config.json'), `${JSON.stringify(recipe, null, 2)}\n`);
  const path = join(out, 'config.json');
  const config = await readJson(path);
  if (!config) desk.note(`${path} is new and says no more than loaders need: model_type is for you to fill in`);
  const hints = (config?.['transformers.js_config'] ?? {}) as Record<string, unknown>;
  const { dtype: _, use_external_data_format: __, ...others } = hints;
  const told = {
    ...others,
    dtype: hints['dtype'] ?? names[0],
    ...(Object.keys(external).length > 0 && { use_external_data_format: external }),
  };
  const whole = { ...(config ?? { model_type: 'custom' }), 'transformers.js_config': told };
  await desk.writeText(path, `${JSON.stringify(whole, null, 2)}\n`);
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new PareError('file/damaged', `"${path}" is not JSON.`, { where: path, cause });
  }
}
