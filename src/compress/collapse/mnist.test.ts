/** On real digits: half of the multiply-accumulates of a trained network go, without labels, and it still says the same. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openKnown, take } from '../../data/index.ts';
import type { Model } from '../../graph/model.ts';
import { seedCnn } from '../../nn/index.ts';
import { openEngine } from '../../runtime/index.ts';
import { adam, fit, predictAll, scoreModel } from '../../train/index.ts';
import { collapse } from './collapse.ts';

const folder = process.env['PARE_DATA'] ?? fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const hasDigits = existsSync(`${folder}/images/mnist`) || existsSync(`${folder}/mnist`);

// Skipped where the digits are not on this machine: tests fetch nothing.
it.skipIf(!hasDigits)('a small reference network at half its MACs (needs MNIST in $PARE_DATA)', async () => {
  using engine = await openEngine({ threads: 1 });
  const lab = { engine, threads: 1, seed: 1 };
  const { train, test } = await openKnown('mnist', { folders: [folder] });
  const [few, judge] = [take(train, 3000), take(test!, 1000)];
  const begin = seedCnn({ input: [1, 28, 28], classes: 10, filters: [8, 16, 32], units: 64 });
  const { model } = await fit(begin, few, { epochs: 3, optimizer: adam({ lr: 2e-3 }) }, lab);
  const unlabelled = { ...few, task: 'unlabelled' as const };
  const { model: small, report } = await collapse(model, { keep: { macs: 0.5 } }, unlabelled, lab);
  expect(report.after.macs).toBeLessThanOrEqual(0.5 * report.before.macs);
  const top = async (one: Model): Promise<number[]> => {
    const { values } = await predictAll(one, judge, one.graph.outputs[0]!.name, {}, lab);
    return Array.from({ length: judge.size }, (_, i) => {
      const row = values.subarray(i * 10, i * 10 + 10);
      return row.indexOf(Math.max(...row));
    });
  };
  const [before, after] = [await top(model), await top(small)];
  const same = before.filter((answer, i) => answer === after[i]).length / judge.size;
  const [score, smaller] = [await scoreModel(model, judge, lab), await scoreModel(small, judge, lab)];
  expect(score).toBeGreaterThan(0.85);
  expect(same).toBeGreaterThan(0.9);
  expect(smaller).toBeGreaterThan(score - 0.04);
});
