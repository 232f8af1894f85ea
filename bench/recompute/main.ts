/**
 * Peak memory and time of training steps with and without recomputed activations, each in a process of its own.
 * `-- --model resnet56 --batch 64 --steps 3 --json`
 */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { inMemory } from '../../src/data/index.ts';
import { buildNetwork } from '../../src/nn/index.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { fit } from '../../src/train/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'resnet56' },
    batch: { type: 'string', default: '64' },
    steps: { type: 'string', default: '3' },
    side: { type: 'string', default: '32' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const [batch, steps, side] = [Number(values.batch), Number(values.steps), Number(values.side)];

/** One contender, in this process. */
async function measure(recompute: boolean): Promise<void> {
  const dims = [3, side, side];
  const size = batch * steps;
  const data = inMemory({
    name: 'noise',
    inputs: {
      x: { dtype: 'float32', dims, data: new Float32Array(size * 3 * side * side).map((_, i) => Math.sin(i)) },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: size }, (_, i) => i % 10) },
  });
  const model = buildNetwork(values.model, { input: dims, dtype: 'float32', outputs: 10 });
  const engine = await openEngine({ threads: 2 });
  const before = process.memoryUsage.rss();
  const { report } = await fit(model, data, { epochs: 2, batch, recompute }, { engine });
  const { loss, samplesPerSecond } = report.epochs[1]!;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(
    JSON.stringify({ peakBytes, grownBytes: peakBytes - before, msPerStep: (1000 * batch) / samplesPerSecond, loss }),
  );
}

if (values.only) await measure(values.only === 'recompute');
else {
  const run = (only: string) =>
    JSON.parse(
      execFileSync(process.execPath, [
        fileURLToPath(import.meta.url),
        ...process.argv.slice(2),
        '--only',
        only,
      ]).toString(),
    ) as { peakBytes: number; grownBytes: number; msPerStep: number; loss: number };
  const [plain, recompute] = [run('plain'), run('recompute')];
  const result = { model: values.model, batch, plain, recompute };
  const show = ({ peakBytes, grownBytes, msPerStep, loss }: typeof plain): string =>
    `peak ${(peakBytes / 1e6).toFixed(0)} MB, of which training ${(grownBytes / 1e6).toFixed(0)} MB; ${msPerStep.toFixed(0)} ms a step; loss ${loss.toFixed(6)}`;
  process.stdout.write(
    values.json
      ? `${JSON.stringify(result)}\n`
      : `${values.model}, batch ${batch}\n  plain      ${show(plain)}\n  recompute  ${show(recompute)}\n`,
  );
}
