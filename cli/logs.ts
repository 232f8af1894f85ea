/** Where --log puts the figures of a run: a JSONL file, or a folder for TensorBoard. */

import type { TrainLog } from '../src/train/index.ts';

/** One log a path: what ends in .jsonl, .ndjson or .json is lines of JSON, all else a folder of event files. */
export async function logsFor(paths: readonly string[]): Promise<TrainLog[]> {
  const { jsonlLog, tensorBoardLog } = await import('../src/train/index.ts');
  return paths.map((path) =>
    /\.(jsonl|ndjson|json)$/i.test(path) ? jsonlLog(path, { everySteps: 10 }) : tensorBoardLog(path),
  );
}
