/**
 * Compares latencies fairly: every round times every case once, so that whatever slows the machine slows all of them.
 *
 *   sample  = time of `inner` calls / inner                     inner such that a sample lasts `minMs`
 *   ratio   = median over rounds of sample(case) / sample(first case of the same round)
 *
 * Where other programs hold the processor for most of the time, a median says what they did. Then the fastest samples are compared: others can only
 * make a sample longer.
 */

import { stopIfAborted } from './aborted.ts';

export interface Case {
  readonly name: string;
  run(): Promise<void> | void;
}

export interface MeasureOptions {
  /** Samples per case. Default 30. */
  rounds?: number;
  /** Untimed calls per case before the first sample. Default 3. */
  warmup?: number;
  /** The least that one sample lasts, in milliseconds; short runs are repeated. Default 1. */
  minMs?: number;
  /** Milliseconds on any scale. Default performance.now. */
  now?: () => number;
  /** Stops between two samples: throws work/aborted. */
  signal?: AbortSignal;
}

export interface Latency {
  readonly name: string;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly minMs: number;
  /** Every sample in order, milliseconds per call. */
  readonly samplesMs: readonly number[];
  /** Calls per sample. */
  readonly inner: number;
  /** Time over the first case's time in the same round: median, or of the fastest samples where `isDisturbed`. */
  readonly ratio: number;
  /** The 10th and 90th percentile of the ratios. */
  readonly ratioLow: number;
  readonly ratioHigh: number;
  /** Did the ratios of any case vary so much that medians mean little? */
  readonly isDisturbed: boolean;
}

/** The 90th percentile of the ratios over the 10th, beyond which other programs were at work. */
const DISTURBED = 2;
/** More would only slow a case that is too short for the clock. */
const MAX_INNER = 1 << 16;

/**
 * Times the cases in turn; the order rotates from round to round, so none always follows the same neighbour.
 *
 * @example
 * const [before, after] = await measure([{ name: 'before', run: a }, { name: 'after', run: b }]);
 * after.ratio // 0.5: twice as fast
 */
export async function measure(
  cases: readonly Case[],
  { rounds = 30, warmup = 3, minMs = 1, now = () => performance.now(), signal }: MeasureOptions = {},
): Promise<Latency[]> {
  const inners: number[] = [];
  for (const { run } of cases) {
    for (let i = 0; i < warmup; i++) await run();
    inners.push(await chooseInner(run, minMs, now));
    await letSignalsIn(signal);
  }
  const samples = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < cases.length; turn++) {
      const i = (round + turn) % cases.length;
      samples[i]!.push((await time(cases[i]!.run, inners[i]!, now)) / inners[i]!);
    }
    await letSignalsIn(signal);
  }
  const allRatios = samples.map((own) => own.map((sample, round) => sample / samples[0]![round]!));
  const isDisturbed = allRatios.some((ratios) => quantile(ratios, 0.9) > DISTURBED * quantile(ratios, 0.1));
  return cases.map(({ name }, i) => {
    const [own, ratios] = [samples[i]!, allRatios[i]!];
    return {
      name,
      p50Ms: quantile(own, 0.5),
      p95Ms: quantile(own, 0.95),
      minMs: fastest(own),
      samplesMs: own,
      inner: inners[i]!,
      ratio: isDisturbed ? fastest(own) / fastest(samples[0]!) : quantile(ratios, 0.5),
      ratioLow: quantile(ratios, 0.1),
      ratioHigh: quantile(ratios, 0.9),
      isDisturbed,
    };
  });
}

/** Runs that block the thread leave no time for a signal to arrive. Throws work/aborted. */
async function letSignalsIn(signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return;
  await new Promise((resolve) => setTimeout(resolve));
  stopIfAborted(signal);
}

/** Doubles the calls per sample until one lasts long enough, twice: once may be another program's doing. */
async function chooseInner(run: Case['run'], minMs: number, now: () => number): Promise<number> {
  let inner = 1;
  const isEnough = async (): Promise<boolean> => (await time(run, inner, now)) >= minMs;
  while (inner < MAX_INNER && !((await isEnough()) && (await isEnough()))) inner *= 2;
  return inner;
}

async function time(run: Case['run'], times: number, now: () => number): Promise<number> {
  const start = now();
  for (let i = 0; i < times; i++) {
    const running = run();
    if (running) await running; // awaiting nothing would cost a turn of the event loop's queue
  }
  return now() - start;
}

/** The next sample is at most so much longer than the fastest: one alone that is much shorter is the clock's doing. */
const NEAR = 1.25;

/** The fastest sample that another one comes near to. */
export function fastest(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = sorted.findIndex((sample, i) => i + 1 < sorted.length && sorted[i + 1]! <= sample * NEAR);
  return sorted[Math.max(0, at)]!;
}

/** The value below which this share of the sorted numbers lies; between two, linear. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at % 1);
}
