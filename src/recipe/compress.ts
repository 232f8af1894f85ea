/**
 * Network compression as one piece of work:
 *
 *   exact rewrites → runs of layers become single layers → layers become low-rank chains → fine-tuning by distillation
 *   → exact rewrites again → palettes → weights stored in smaller types
 *
 * Everything after the first arrow happens only when asked for.
 */

import { PareError } from '../base/error.ts';
import {
  type Block,
  type BlockTraining,
  type CompressReport,
  collapse,
  type FactorizeOptions,
  factorize,
  type PaletteOptions,
  sharePalette,
  storeNarrow,
} from '../compress/index.ts';
import type { Dataset } from '../data/index.ts';
import { distill } from '../distill/index.ts';
import type { Model } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { raiseOpset } from '../ops/modern.ts';
import { type RuleName, rewriteChecked, simplifyChecked } from '../rewrite/index.ts';
import type { Lab } from '../runtime/index.ts';
import { cosine, type EpochReport, type FitOptions, lamb } from '../train/index.ts';
import { evaluator } from './evaluator.ts';
import { withinDrop } from './within-drop.ts';

/** Peak learning rate of fine-tuning by LAMB, as a share of each weight's length. */
const TUNING_RATE = 3e-3;

/** How weights are stored at the end. */
export const STORES = { exact: true, float16: true, plain: true } as const;

export interface CompressModelOptions {
  /** Runs a model on a few samples and gives its outputs by name: what exact rewrites are checked with. */
  run: (model: Model) => Promise<Readonly<Record<string, Tensor>>>;
  /** Version of ai.onnx to raise the model to first, up to 23: some exact rules make ops of later versions. */
  opset?: number | undefined;
  /** Exact rewrites to apply. Default all that never add arithmetic, and sub-graphs of constants computed. */
  rules?: readonly RuleName[] | undefined;
  /** Largest difference of an output after exact rewrites, over its largest magnitude. Default 1e-4. */
  tolerance?: number | undefined;
  /** Samples that lossy steps look at and learn from; labels are welcome and not needed. */
  data?: Dataset | undefined;
  /** Runs of layers to collapse. Default none. */
  blocks?: 'auto' | readonly Block[] | undefined;
  /** Gradient descent on each block's error; false for the closed form alone. Default 10 epochs. */
  blockTraining?: BlockTraining | false | undefined;
  /** Low-rank chains. Default none. */
  factorize?: Pick<FactorizeOptions, 'by' | 'rank' | 'measured'> | undefined;
  /** Share of the MACs that may stay, for blocks by themselves. */
  keepMacs?: number | undefined;
  /** Without `keepMacs`: the smallest share whose score is at most `most` below the original's. */
  drop?: { readonly most: number; readonly score: (model: Model) => Promise<number> } | undefined;
  /** Fine-tuning by distillation from the original after lossy steps; false for none. Default 10 epochs of LAMB. */
  tune?: FitOptions | false | undefined;
  palette?: PaletteOptions | undefined;
  /** Default 'exact': the smallest types that hold every value as it is. */
  store?: keyof typeof STORES | undefined;
}

/** One thing that was done. */
export interface CompressStep {
  readonly method: 'rewrite' | 'collapse' | 'factorize' | 'palette' | 'store';
  /** The node, the run of layers or the weight. */
  readonly place: string;
  readonly what: string;
  readonly macsBefore?: number;
  readonly macsAfter?: number;
  /** Relative error of the place itself, before fine-tuning. */
  readonly error?: number;
  /** Time after / time before, where it was measured. */
  readonly latencyRatio?: number;
}

export interface Compressed {
  readonly model: Model;
  readonly rewrites: readonly CompressStep[];
  /** What stayed as it was, and why. */
  readonly kept: readonly { readonly method: CompressStep['method']; readonly place: string; readonly why: string }[];
  /** Exact rules that moved an output too much and were taken back. */
  readonly reverted: readonly { readonly rule: string; readonly relativeError: number }[];
  /** Largest difference of an output after the first exact rewrites, over its largest magnitude. */
  readonly relativeError: number;
  /** Of the fine-tuning. */
  readonly epochs: readonly EpochReport[];
}

/**
 * Compresses a model.
 *
 * Throws   compress/data when blocks are asked for without samples; what the methods throw.
 */
export async function compressModel(model: Model, options: CompressModelOptions, lab: Lab): Promise<Compressed> {
  const { run, rules, tolerance, data, blocks, factorize: factors, keepMacs, drop, palette, store = 'exact' } = options;
  if (blocks && !data) {
    throw new PareError('compress/data', 'Runs of layers are fitted to what they do on samples, and there are none.', {
      expected: 'samples; labels are not needed',
    });
  }
  const check = { run, ...(tolerance !== undefined && { tolerance }) };
  const raised = options.opset === undefined ? model : raiseOpset(model, options.opset);
  const exact = rules
    ? await rewriteChecked(raised, check, rules)
    : await simplifyChecked(raised, { ...check, evaluate: evaluator(lab) });
  const rewrites = fired(exact.report.fired);
  const kept: Compressed['kept'][number][] = exact.report.missed.map(({ node, why }) => ({
    method: 'rewrite',
    place: node,
    why,
  }));
  let current = exact.model;
  let epochs: readonly EpochReport[] = [];
  if (blocks || factors) {
    const at = (share: number | undefined): Promise<Lossy> => lossy(current, model, share, options, lab);
    const isOpen = keepMacs === undefined && drop !== undefined && (blocks === 'auto' || isBudget(factors));
    const found = isOpen ? await withinDrop(at, { ...drop, original: model }, lab) : await at(keepMacs);
    if (found) {
      current = found.model;
      epochs = found.epochs;
      rewrites.push(...found.rewrites);
      kept.push(...found.kept);
      const again = await rewriteChecked(current, check, ...(rules ? [rules] : []));
      current = again.model;
      rewrites.push(...fired(again.report.fired));
    }
  }
  if (palette) {
    const { model: shared, report } = await sharePalette(current, palette);
    current = shared;
    const { before, after, gzipBefore, gzipAfter } = report.bytes;
    lab.onNote?.(
      `palettes: the file ${show(before, after)}, its gzip ${show(gzipBefore, gzipAfter)}; size only, not speed`,
    );
    for (const { name, colours, error } of report.weights)
      rewrites.push({ method: 'palette', place: name, what: `${colours} values`, error });
    for (const { place, why } of report.kept) kept.push({ method: 'palette', place, why });
  }
  if (store !== 'plain') {
    const { model: stored, report } = storeNarrow(current, { exact: store === 'exact' });
    if (report.narrowed.length > 0) current = stored;
    for (const { name, from, to } of report.narrowed)
      rewrites.push({ method: 'store', place: name, what: `${from} stored as ${to}` });
  }
  return { model: current, rewrites, kept, epochs, reverted: exact.reverted, relativeError: exact.relativeError };
}

const show = (before: number, after: number): string => `${(after / before).toFixed(2)} times as large`;
const fired = (list: readonly { rule: string; node: string; why: string }[]): CompressStep[] =>
  list.map(({ rule, node, why }) => ({ method: 'rewrite', place: node, what: `${rule}: ${why}` }));
const isBudget = (factors: CompressModelOptions['factorize']): boolean =>
  factors?.rank !== undefined && 'keep' in factors.rank;

interface Lossy extends Pick<Compressed, 'model' | 'epochs'> {
  readonly rewrites: CompressStep[];
  readonly kept: Compressed['kept'];
}

/** Collapsing, factorising and fine-tuning, for a share of the MACs. */
async function lossy(
  start: Model,
  teacher: Model,
  keep: number | undefined,
  { data, blocks, blockTraining = {}, factorize: factors, tune = {} }: CompressModelOptions,
  lab: Lab,
): Promise<Lossy> {
  let model = start;
  const rewrites: CompressStep[] = [];
  const kept: Compressed['kept'][number][] = [];
  const note = (method: 'collapse' | 'factorize', report: CompressReport): void => {
    rewrites.push(...report.rewrites.map((entry) => ({ method, ...entry })));
    kept.push(...report.kept.map((entry) => ({ method, ...entry })));
  };
  if (blocks && data) {
    const how = { blocks, train: blockTraining, ...(keep !== undefined && { keep: { macs: keep } }) };
    const { model: made, report } = await collapse(model, how, data, lab);
    model = made;
    note('collapse', report);
  }
  if (factors) {
    const rank = isBudget(factors) && keep !== undefined ? { keep: { macs: keep } } : factors.rank;
    const { model: made, report } = await factorize(model, { ...factors, rank, data }, lab);
    model = made;
    note('factorize', report);
  }
  if (rewrites.length === 0 || !data || tune === false) return { model, rewrites, kept, epochs: [] };
  const { model: tuned, report } = await distill(
    model,
    teacher,
    data,
    {
      epochs: 10,
      batch: Math.min(64, data.size),
      // Each weight moves by a share of its own length: the same rate suits raw pixels and normalised ones.
      optimizer: (updates: number) => lamb({ lr: cosine(TUNING_RATE, updates) }),
      ...tune,
    },
    lab,
  );
  return { model: tuned, rewrites, kept, epochs: report.epochs };
}
