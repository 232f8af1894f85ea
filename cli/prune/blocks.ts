/** Residual blocks left out, those whose output is nearest to their input. */

import { PareError } from '../../src/base/error.ts';
import type { Desk } from '../desk.ts';
import { finish, stopwatch } from '../finish.ts';
import type { Outcome } from '../verb.ts';
import { tuning } from './tune.ts';
import type { PruneValues } from './values.ts';

export async function leaveOutBlocks(values: PruneValues, desk: Desk): Promise<Outcome> {
  const { dropBlocks } = await import('../../src/prune/index.ts');
  const before = await desk.read(values.model);
  const sets = await desk.sets(before.model);
  const fit = tuning(values, sets);
  const data = sets?.train ?? sets?.evaluation;
  if (!data)
    throw new PareError('usage/missing', 'What a block changes is measured on samples.', { expected: '--data SPEC' });
  const seconds = stopwatch();
  const lab = await desk.lab();
  const dropped = await dropBlocks(before.model, { count: values.dropBlocks, data, samples: values.samples }, lab);
  let { model } = dropped;
  if (values.finetuneEpochs > 0) {
    const { distill } = await import('../../src/distill/index.ts');
    const labels = data.labels ? 1 - (values.distill ?? 0.9) : 0;
    ({ model } = await distill(model, before.model, data, { ...fit, epochs: values.finetuneEpochs, labels }, lab));
  }
  const { blocks, dropped: gone } = dropped.report;
  return finish(desk, {
    before,
    model,
    tag: 'shallower',
    evaluation: sets?.evaluation,
    maxDrop: values.maxDrop,
    report: values.report,
    seconds: seconds(),
    result: { groups: [], blocks: blocks.map(({ name, likeness }) => ({ name, likeness })), dropped: gone },
    shown: [
      {
        kind: 'table',
        columns: [{ title: 'block', align: 'left' }, { title: 'likeness' }, { title: 'left out', align: 'left' }],
        rows: blocks.map(({ name, likeness }) => [name, likeness.toFixed(4), gone.includes(name) ? 'yes' : '']),
      },
    ],
  });
}
