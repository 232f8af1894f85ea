import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { launch, launchers, written } from './launch.ts';

const [launcher] = launchers();
afterAll(() => rmSync(written, { recursive: true, force: true }));

/** One process needs more (at 580 MB it fails): 403 MB for weights, slopes and state, and what Node and the engine need. A rank of 3 holds a third of the former. */
const dataLimit = 560e6;
const SLOW = 180_000;

describe.skipIf(!launcher || process.platform !== 'linux')(
  'a model that no process may hold (skipped where there is no mpirun, or no limit on memory)',
  () => {
    it(
      'does not train in one process',
      async () => {
        const { status, words } = await launch(launcher!, 'rank-wide', { ranks: 1, dataLimit });
        expect(status).not.toBe(0);
        expect(words).toMatch(/memory|alloc/i);
      },
      SLOW,
    );

    it.each([{ stages: 3 }, { tensor: 3 }])(
      'trains as %o',
      async (input) => {
        const { status, answers, words } = await launch(launcher!, 'rank-wide', { ranks: 3, input, dataLimit });
        expect({ status, count: answers.length }, words).toEqual({ status: 0, count: 3 });
        for (const { losses } of answers) expect(losses).toEqual(answers[0]!['losses']);
      },
      SLOW,
    );
  },
);
