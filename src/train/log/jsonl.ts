/** Metrics as JSON lines: one object per epoch, and per so many steps. */

import type { TrainLog } from './log.ts';

/**
 * Appends `{"step", "loss"}` every `everySteps` updates (default: never) and `{"step", "epoch", "loss", METRIC, "samplesPerSecond"}`
 * after every epoch. A run that goes on drops the lines of steps that it makes again.
 */
export function jsonlLog(path: string, { everySteps }: { everySteps?: number } = {}): TrainLog {
  const pending: string[] = [];
  const add = (record: Readonly<Record<string, unknown>>): void => void pending.push(`${JSON.stringify(record)}\n`);
  const flush = async (): Promise<void> => {
    const { appendFile } = await import('node:fs/promises');
    await appendFile(path, pending.splice(0).join(''));
  };
  return {
    async start(updates) {
      const { mkdir, readFile, writeFile } = await import('node:fs/promises');
      await mkdir(path.replace(/[/\\]?[^/\\]*$/, '') || '.', { recursive: true });
      const before = updates === 0 ? '' : await readFile(path, 'utf8').catch(() => '');
      const kept = before.split('\n').filter((line) => stepOf(line) <= updates);
      await writeFile(path, kept.map((line) => `${line}\n`).join(''));
    },
    step(updates, loss) {
      if (everySteps !== undefined && updates % everySteps === 0) add({ step: updates, loss });
    },
    async epoch(updates, { epoch, loss, metric, samplesPerSecond }) {
      add({ step: updates, epoch, loss, ...(metric && { [metric.name]: metric.value }), samplesPerSecond });
      await flush();
    },
    end: flush,
  };
}

/** Infinity for what is no whole line. */
function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as { step: number }).step;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
