/** What a search's result is held against: the best single method of the same search, and ONNX Runtime's static int8. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isWithin } from '../../../src/base/unit.ts';
import { type Dataset, portsOf, take } from '../../../src/data/index.ts';
import { type Model, tensorType } from '../../../src/graph/model.ts';
import { readModelFile, writeModel, writeModelFile } from '../../../src/onnx/index.ts';
import type { Optimized, Trial } from '../../../src/optimize/index.ts';
import { mayBeWithin } from '../../../src/optimize/interval.ts';
import { judgeOf } from '../../../src/optimize/judge.ts';
import { feedsFor } from '../../../src/quantize/observe.ts';
import type { Parts } from '../../../src/recipe/parts.ts';
import type { Lab } from '../../../src/runtime/index.ts';
import { pythonWith, startPeer } from '../../peer/process.ts';

export interface Rival {
  readonly model: Model;
  /** Lost on the same evaluation samples. */
  readonly drop: number;
}

/** Steps that belong to any method: what they do is exact, or learning. */
const SHARED = new Set(['simplify', 'tune', 'distill']);

const isSingle = ({ calls }: Trial): boolean =>
  new Set(calls.map(({ step }) => step).filter((step) => !SHARED.has(step))).size <= 1;

/** Confirmations and evaluations that single methods get, as many as a search has. */
const CONFIRMED = 12;
const LOOKS = 5;
/** Trials that lose more on the search samples, over the bound, are not asked for. */
const NEAR = 1.5;

/**
 * The single method that is best in time and bytes, chosen as a search chooses: on search and selection samples it is within a standard error of
 * the bound, then holds it on the evaluation's.
 */
export async function bestSingle(
  original: Model,
  { trials, evidence }: Optimized,
  { search, selection }: Parts,
  maxDrop: number,
  modelOf: (trial: Trial) => Promise<Model | undefined>,
  lab: Lab,
): Promise<Rival | undefined> {
  const judge = await judgeOf(original, evidence!.data, lab);
  const before = await judgeOf(original, selection, lab);
  const worth = ({ latencyRatio, bytes }: Trial): number => latencyRatio * bytes ** 0.1;
  const singles = trials.filter((trial) => isSingle(trial) && isWithin(trial.drop, maxDrop * NEAR));
  let looks = 0;
  for (const trial of singles.sort((a, b) => worth(a) - worth(b)).slice(0, CONFIRMED)) {
    const model = await modelOf(trial);
    if (!model || looks === LOOKS) continue;
    const selected = (await before.score(model)).drop;
    const both = (trial.drop * search.size + selected * selection.size) / (search.size + selection.size);
    if (!mayBeWithin(both, maxDrop, search.size + selection.size)) continue;
    looks++;
    const { drop } = await judge.score(model);
    if (isWithin(drop, maxDrop)) return { model, drop };
  }
  return undefined;
}

/** Samples that it calibrates on. */
const CALIBRATED = 300;

/** ONNX Runtime's static int8 (QDQ, per channel, calibrated by ranges) with the samples that the search learnt from; words where there is none. */
export async function byOnnxRuntime(
  original: Model,
  learn: Dataset,
  { evidence }: Optimized,
  lab: Lab,
): Promise<Rival | string> {
  const python = await pythonWith('onnxruntime.quantization');
  if (!python) return 'not installed';
  const folder = mkdtempSync(join(tmpdir(), 'pare-rival-'));
  const { ask, end } = await startPeer(python, ['bench/peers/quantization.py', 'onnxruntime']);
  try {
    const some = take(learn, CALIBRATED);
    const all = Array.from({ length: some.size }, (_, i) => feedsFor(original.graph, some, [i]));
    const inputs = Object.entries(all[0]!).map(([name, { dtype, dims }], i) => {
      const samples = join(folder, `${i}.bin`);
      writeFileSync(samples, Buffer.concat(all.map((feeds) => feeds[name]!.bytes)));
      return { name, samples, dims, dtype };
    });
    const [file, out] = [join(folder, 'model.onnx'), join(folder, 'int8.onnx')];
    await writeModelFile(file, original);
    const answer = await ask({ model: file, inputs, count: some.size, out });
    if (answer['error']) return `${answer['error']}`;
    const model = oneByOne(await readModelFile(out));
    const { drop } = await (await judgeOf(original, evidence!.data, lab)).score(model);
    return { model, drop };
  } catch (error) {
    return (error as Error).message;
  } finally {
    end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Made for one sample at a time: its tools write lengths of a batch of one into the file. */
function oneByOne(model: Model): Model {
  const axes = new Map(portsOf(model.graph).map(({ name, batchAxis = 0 }) => [name, batchAxis]));
  const inputs = model.graph.inputs.map((info) => {
    const type = tensorType(info);
    const dims = type?.dims?.map((dim, axis) => (axis === axes.get(info.name) ? 1 : dim));
    return type && dims ? { ...info, type: { ...type, dims } } : info;
  });
  return { ...model, graph: { ...model.graph, inputs } };
}

export const sizeOf = (model: Model): number => writeModel(model).length;
