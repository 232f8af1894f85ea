/**
 * The search: exact steps first, integers of the whole model, then smaller and smaller structures, each tuned and ended.
 *
 *   rung        a structure with a share of the original's multiply-accumulates: pruned, factorised or collapsed
 *   halving     all ways to a rung are tried without training; the better half learns for a short time; the best learns on
 *   stem        the smallest structure that held the bound; the next rung starts from it
 *   back off    a rung that loses too much is tried again nearer to the stem
 */

import type { Bench, StepCall } from '../recipe/index.ts';
import type { Lab } from '../runtime/index.ts';
import { type Budget, hasTarget, missesOf } from './budget.ts';
import { type Ends, finish } from './finish.ts';
import type { Judge } from './judge.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { Trial, Workshop } from './workshop.ts';

export interface SearchOptions {
  readonly workshop: Workshop;
  readonly budget: Budget;
  readonly maxDrop: number;
  readonly timeMs: number;
  readonly bench: Bench;
  readonly judge?: Judge | undefined;
  readonly stopwatch: Stopwatch;
}

/** What cutting may spend of the bound; integers need the rest. */
const CUTTING = 0.6;
/** Share of the time for everything before the finals. */
const SEARCHING = 0.85;
/** The first step down, and the smallest that is worth a trial. */
const FIRST_STEP = 0.5;
const LEAST_STEP = 0.88;
/** Fewer samples than this teach a cut network nothing. */
const TEACHING = 64;
const MOST_EPOCHS = 12;
/** A structure that is not at least this much faster goes behind those that are. */
const FASTER = 0.95;
/** Multiply-accumulates that training does in a second before it was ever timed: three passes at 20 GMAC/s. */
const GUESSED_MACS = 7e9;

/** Fills the workshop with trials, until nothing more is worth trying or the time is over. */
export async function search(options: SearchOptions, lab: Lab): Promise<void> {
  const { workshop, budget, maxDrop, timeMs, bench, judge, stopwatch } = options;
  const leftMs = (): number => timeMs * SEARCHING - workshop.spentMs();
  const left = (): boolean => leftMs() > 0;
  const tell = (): void =>
    lab.onProgress?.({
      task: 'optimize',
      done: Math.min(workshop.spentMs(), timeMs) / 1000,
      total: timeMs / 1000,
      figures: { trials: workshop.trials.length },
    });

  if (!judge || !bench.learn) return await exactSteps(workshop);
  const ends: Ends = { workshop, bench, judge, stopwatch, maxDrop, left };
  await finish(workshop.root, ends, lab);
  tell();
  if (bench.learn.size < TEACHING) {
    lab.onNote?.(`${bench.learn.size} samples are too few to teach a cut network: cuts are only mended`);
  }

  let stem = workshop.root;
  let stepDown = FIRST_STEP;
  for (let rung = 0; left() && stepDown < LEAST_STEP; rung++) {
    const tuned = await climb(stem, stepDown, rung, options, leftMs, lab);
    tell();
    if (tuned && tuned.macs < stem.macs && tuned.drop <= maxDrop * CUTTING) {
      const end = await finish(tuned, ends, lab);
      tell();
      stem = tuned;
      if (end && hasTarget(budget) && missesOf(budget, end).length === 0) break;
    } else {
      if (!tuned) break;
      stepDown = Math.sqrt(stepDown);
    }
  }
}

/** Without samples only what is exact is allowed. */
async function exactSteps(workshop: Workshop): Promise<void> {
  const lean = await workshop.grow(workshop.root, { step: 'simplify' });
  await workshop.grow(lean ?? workshop.root, { step: 'store', as: 'exact' });
}

/** One rung down from the stem: all ways, halved, the best one tuned. Undefined where nothing can be cut. */
async function climb(
  stem: Trial,
  stepDown: number,
  rung: number,
  { workshop, bench, budget }: SearchOptions,
  leftMs: () => number,
  lab: Lab,
): Promise<Trial | undefined> {
  const cuts: Trial[] = [];
  for (const call of waysDown(stem, stepDown, rung, workshop.root)) {
    if (leftMs() <= 0) break;
    const cut = await workshop.grow(stem, call);
    if (cut && cut.macs < stem.macs * 0.98) cuts.push(cut);
  }
  if (cuts.length === 0) return undefined;
  const gains = (cut: Trial): boolean =>
    budget.objective === 'size' ? cut.bytes < stem.bytes : cut.latencyRatio < stem.latencyRatio * FASTER;
  cuts.sort((a, b) => Number(gains(b)) - Number(gains(a)) || a.drop - b.drop);
  const size = bench.learn!.size;
  if (size < TEACHING) return cuts[0];
  const epochMs = (cut: Trial): number => (cut.macs * size * 1000) / macsPerSecond(workshop, size);
  const rungMs = Math.max(leftMs() / 4, Math.min(leftMs(), 8000));
  const affordable = (cut: Trial): number => Math.floor((rungMs * 0.9) / epochMs(cut));

  let finalists = cuts.slice(0, Math.max(1, Math.ceil(cuts.length / 2)));
  if (finalists.length > 1 && affordable(finalists[0]!) >= 4) {
    const short = [];
    for (const cut of finalists) {
      const tuned = await workshop.grow(cut, { step: 'distill', epochs: 1 });
      if (tuned) short.push({ cut, drop: tuned.drop });
    }
    short.sort((a, b) => a.drop - b.drop);
    finalists = short.slice(0, 1).map(({ cut }) => cut);
  }
  const [winner] = finalists;
  if (!winner) return undefined;
  const epochs = Math.max(1, Math.min(MOST_EPOCHS, affordable(winner)));
  // a single epoch that does not fit into the time sees fewer samples
  const share = Math.min(1, rungMs / epochMs(winner));
  const samples = share < 1 ? { samples: Math.max(TEACHING, Math.floor(size * share)) } : {};
  lab.onNote?.(`rung ${rung + 1}: ${winner.calls.at(-1)!.step} learns for ${epochs} epochs`);
  return await workshop.grow(winner, { step: 'distill', epochs, ...samples });
}

/** How the stem can become smaller. Shares are of the stem. */
function waysDown(stem: Trial, stepDown: number, rung: number, root: Trial): StepCall[] {
  const keepMacs = stepDown;
  // parameters follow, where the arithmetic is elsewhere
  const wanted = (stem.macs / root.macs) * stepDown * 1.5;
  const keepParameters = Math.min(1, (wanted * root.parameters) / Math.max(1, stem.parameters));
  const both = keepParameters < 1 ? { keepMacs, keepParameters } : { keepMacs };
  const prunings: StepCall[] = (['wanda', 'taylor', 'fpgm'] as const).map((by) => ({ step: 'prune', by, ...both }));
  return rung === 0 ? [...prunings, { step: 'factorize', keepMacs }, { step: 'collapse', keepMacs }] : prunings;
}

/** Multiply-accumulates of samples that distillation works off in a second, as the last trials showed. */
function macsPerSecond({ trials }: Workshop, size: number): number {
  const last = trials.findLast(({ calls }) => calls.at(-1)?.step === 'distill');
  const call = last?.calls.at(-1);
  if (!last || !call || last.seconds <= 0) return GUESSED_MACS;
  const seen = Number(call['epochs'] ?? 3) * Number(call['samples'] ?? size);
  return (last.macs * seen) / last.seconds;
}
