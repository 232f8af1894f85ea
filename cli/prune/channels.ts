/** Channels cut to a budget, once or in steps, with learning between them. */

import type { Tuned } from '../../src/recipe/prune-and-tune.ts';
import type { Desk } from '../desk.ts';
import { finish, stopwatch } from '../finish.ts';
import type { Outcome } from '../verb.ts';
import { budgetOf } from './budget.ts';
import { tuning } from './tune.ts';
import type { PruneValues } from './values.ts';

export async function cutChannels(values: PruneValues, desk: Desk): Promise<Outcome> {
  const { steps, schedule, finetuneEpochs, stepEpochs, by, rank, minWidth, maxShare, roundTo, samples } = values;
  const budget = budgetOf(values);
  const before = await desk.read(values.model);
  const sets = await desk.sets(before.model);
  const fit = tuning(values, sets);
  const data = sets?.train ?? sets?.evaluation;
  const options = {
    ...budget,
    by,
    rank,
    roundTo,
    samples,
    data,
    maxShare,
    minimum: minWidth,
    combination: values.combine,
    normalization: values.normalize,
    reestimate: values.reestimate,
    reconstruct: values.reconstruct,
    cutPorts: values.cutPorts,
    symbols: desk.dims,
  };
  const seconds = stopwatch();
  const lab = await desk.lab();
  const [{ pruneGradually, schedules }, { pruneAndTune }] = await Promise.all([
    import('../../src/prune/index.ts'),
    import('../../src/recipe/prune-and-tune.ts'),
  ]);
  const course = { ...options, steps, schedule: schedules[schedule] };
  const learning = {
    epochs: finetuneEpochs,
    epochsBetween: stepEpochs,
    sparseEpochs: values.sparseEpochs,
    distill: values.distill,
    fit,
  };
  const { model, report, epochs }: Pick<Tuned, 'model' | 'report' | 'epochs'> =
    data && finetuneEpochs + values.sparseEpochs > 0
      ? await pruneAndTune(before.model, { ...course, ...learning, data }, lab)
      : { ...(await pruneGradually(before.model, course, lab)), epochs: [] };
  const {
    groups,
    criterion,
    share,
    isMet,
    error,
    protected: protections,
    fault,
    reconstructed,
    roundTo: multiple,
  } = report;
  if (fault !== undefined) desk.note(`nothing more was cut: ${fault}`);
  return finish(desk, {
    before,
    model,
    tag: 'pruned',
    evaluation: sets?.evaluation,
    maxDrop: values.maxDrop,
    report: values.report,
    seconds: seconds(),
    ...(epochs.length > 0 && { curves: [{ step: 'pruned', epochs }] }),
    result: {
      groups,
      criterion,
      share,
      isMet,
      roundTo: multiple,
      maskedError: error,
      ...(fault !== undefined && { fault }),
      ...(reconstructed && { reconstructed }),
      ...(epochs.length > 0 && { epochs }),
      protected: protections.map(({ why, where, weights }) => ({
        where,
        why,
        channels: weights.reduce((sum, { channels }) => sum + channels, 0),
      })),
    },
    shown: [
      {
        kind: 'table',
        columns: [{ title: 'group', align: 'left' }, { title: 'kept' }, { title: 'of' }],
        rows: groups.map(({ name, kept, all }) => [name, `${kept}`, `${all}`]),
      },
    ],
  });
}
