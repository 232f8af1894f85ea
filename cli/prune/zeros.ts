/** Zeros in the weights: a smaller download, and no faster model. */

import { showBytes, showShare } from '../../src/base/unit.ts';
import type { Desk } from '../desk.ts';
import { finish, stopwatch } from '../finish.ts';
import type { Outcome } from '../verb.ts';
import { tuning } from './tune.ts';
import type { PruneValues } from './values.ts';

export async function makeZeros(values: PruneValues, desk: Desk): Promise<Outcome> {
  const { parsePattern, sparsify, gzipBytes } = await import('../../src/prune/index.ts');
  const pattern = parsePattern(values.zeros!);
  const before = await desk.read(values.model);
  const sets = await desk.sets(before.model);
  const fit = tuning(values, sets);
  const data = sets?.train ?? sets?.evaluation;
  const seconds = stopwatch();
  const lab = await desk.lab();
  const sparse = await sparsify(before.model, { pattern, by: values.zerosBy, data, samples: values.samples }, lab);
  let { model } = sparse;
  if (values.finetuneEpochs > 0) {
    const { tuneMasked } = await import('../../src/recipe/tune-masked.ts');
    const { finetuneEpochs: epochs, distill } = values;
    model = await tuneMasked(sparse, before.model, sets!.train!, { epochs, distill, fit }, lab);
  }
  const gzip = { ...sparse.report.gzipBytes, after: await gzipBytes(model) };
  desk.note('zeros make no layer faster on this engine; what shrinks is the compressed file');
  return finish(desk, {
    before,
    model,
    tag: 'sparse',
    evaluation: sets?.evaluation,
    maxDrop: values.maxDrop,
    report: values.report,
    seconds: seconds(),
    result: { ...sparse.report, gzipBytes: gzip, groups: [] },
    shown: [
      {
        kind: 'facts',
        facts: [
          ['zeros', `${showShare(sparse.report.zeros.before, 1)} → ${showShare(sparse.report.zeros.after, 1)}`],
          ['gzip', `${showBytes(gzip.before)} → ${showBytes(gzip.after)}`],
        ],
      },
    ],
  });
}
