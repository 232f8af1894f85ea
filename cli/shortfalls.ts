/** What is said of a quantised file that is not what one would expect: as it was, larger, slower, or beyond a bound. */

import { showBytes, showMs, showTimes } from '../src/base/unit.ts';
import type { Escalation } from '../src/quantize/escalate.ts';
import { type Kept, NOT_FASTER } from '../src/quantize/plan.ts';
import type { Quickened } from '../src/quantize/quicken.ts';
import type { Desk } from './desk.ts';
import type { Outcome } from './verb.ts';

/** What is larger than was asked for, in words. */
export function missedSize({ result }: Outcome, most: number | undefined): string[] {
  const { bytes } = (result as { after: Figures }).after;
  return most === undefined || bytes <= most
    ? []
    : [`--target-size ${showBytes(most)}: the file has ${showBytes(bytes)}`];
}

/** What is slower than was asked for, in words. */
export const missedLatency = (found: Quickened | undefined, most: number | undefined): string[] =>
  most === undefined || !found || found.held
    ? []
    : [
        `--target-latency ${showMs(most)}: a sample takes ${showMs(found.ms)} (the original ${showMs(found.originalMs)})`,
      ];

/** Gains within this share are noise. */
const NOISE = 0.03;

/** A file of more than this share of the original's bytes has hardly changed. */
const HARDLY = 0.9;

/** A result that is as it was, larger or slower is called so. */
export function noteWorse({ result }: Outcome, quantized: number, desk: Desk): void {
  const { before, after, kept, escalation } = result as unknown as Quantised;
  if (quantized === 0 && after.bytes > HARDLY * before.bytes) {
    desk.note(`nothing was quantised: ${whyNothing(kept, escalation)}`);
  }
  if (after.bytes >= before.bytes) {
    desk.note(`not smaller: ${showBytes(before.bytes)} became ${showBytes(after.bytes)}`);
  }
  for (const [batch, ratio] of Object.entries(after.latencyRatio ?? {})) {
    if (ratio < 1 - NOISE || before.latencyRatio?.[batch] === undefined) continue;
    desk.note(`not faster on this machine (${batch}): ${showTimes(ratio)} the time of the original`);
  }
}

function whyNothing(kept: readonly Kept[], escalation: Escalation | undefined): string {
  if (escalation?.reverted.length) return 'integers lose more than --max-drop allows';
  if (kept.some(({ why }) => why === NOT_FASTER))
    return `${NOT_FASTER}, and no weight is so large that its file would shrink by 8 bits`;
  return 'no layer of this model holds weights that the scheme takes';
}

interface Quantised {
  readonly before: Figures;
  readonly after: Figures;
  readonly kept: readonly Kept[];
  readonly escalation?: Escalation;
}

interface Figures {
  readonly bytes: number;
  readonly latencyRatio?: Readonly<Record<string, number>>;
}
