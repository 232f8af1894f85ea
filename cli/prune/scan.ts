/** What each group is worth, measured; the file is written after every point, so that an interrupted scan goes on. */

import { readFile } from 'node:fs/promises';
import { PareError } from '../../src/base/error.ts';
import type { SensitivityPoint } from '../../src/prune/index.ts';
import type { Desk } from '../desk.ts';
import type { Outcome } from '../verb.ts';
import type { PruneValues } from './values.ts';

export async function scan(values: PruneValues, desk: Desk): Promise<Outcome> {
  const { criteria, sensitivity } = await import('../../src/prune/index.ts');
  const { byFirst } = await import('../../src/runtime/index.ts');
  const { sensitivityPlot } = await import('../../src/report/html/sensitivity-plot.ts');
  const file = values.sensitivity!;
  const before = await desk.read(values.model);
  const sets = await desk.sets(before.model);
  const data = sets?.train ?? sets?.evaluation;
  if (!data)
    throw new PareError('usage/missing', 'Sensitivity is measured on samples; labels are not needed.', {
      expected: '--data SPEC',
    });
  const asked = { model: before.name, data: data.name, by: values.by, seed: values.seed };
  const lab = await desk.sharedLab();
  const known = await byFirst(lab, () => readKnown(file, JSON.stringify(asked)));
  if (known.length > 0) desk.note(`${file} holds ${known.length} points of this scan: it goes on from there`);
  const write = (points: readonly SensitivityPoint[]): Promise<void> =>
    desk.writeText(file, `${JSON.stringify({ asked, points }, null, 1)}\n`);
  const points = await sensitivity(
    before.model,
    { data, by: criteria[values.by], samples: values.samples, known, onPoint: write },
    lab,
  );
  await write(points);
  const picture = `${file.replace(/\.json$/, '')}.svg`;
  await desk.writeText(picture, sensitivityPlot(points, before.name));
  return {
    result: { points, out: file, picture },
    shown: [
      {
        kind: 'table',
        columns: [{ title: 'group', align: 'left' }, { title: 'removed' }, { title: 'KL' }, { title: 'agreement' }],
        rows: points.map(({ group, removed, kl, agreement }) => [
          group,
          `${removed * 100} %`,
          kl.toExponential(2),
          agreement.toFixed(3),
        ]),
      },
      {
        kind: 'facts',
        facts: [
          ['written', file],
          ['picture', picture],
        ],
      },
    ],
  };
}

/** The points of the same scan, if the file holds one. */
async function readKnown(file: string, asked: string): Promise<readonly SensitivityPoint[]> {
  try {
    const kept = JSON.parse(await readFile(file, 'utf8')) as { asked: unknown; points: SensitivityPoint[] };
    return JSON.stringify(kept.asked) === asked ? kept.points : [];
  } catch {
    return [];
  }
}
