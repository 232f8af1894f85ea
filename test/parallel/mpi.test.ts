import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { blockOf } from '../../src/parallel/collective.ts';
import { fitParallel } from '../../src/parallel/fit.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { launch, launchers, written } from './launch.ts';
import { blobs, net } from './task.ts';

/** Ended, even if its parent has not asked for its status yet. */
const isGone = (pid: number): boolean => {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', `${pid}`], { encoding: 'utf8' });
  return stdout.trim() === '' || stdout.startsWith('Z');
};

/** The loss of every step, trained by one process alone. */
async function lossesAlone(): Promise<number[]> {
  using engine = await openEngine({ threads: 1 });
  const losses: number[] = [];
  const logs = [{ step: (_: number, loss: number): void => void losses.push(loss) }];
  await fitParallel(net(), blobs(100), { epochs: 2, batch: 24, logs }, { engine, seed: 3 });
  return losses;
}

const installed = launchers();
afterAll(() => rmSync(written, { recursive: true, force: true }));

describe.skipIf(installed.length === 0)('MPI (skipped where no mpirun is installed)', () => {
  for (const launcher of installed) {
    describe(launcher.name, () => {
      for (const ranks of [2, 3]) {
        it(`every collective does what it says, ${ranks} ranks`, async () => {
          const { status, answers, words } = await launch(launcher, 'rank-collectives', { ranks });
          expect({ status, count: answers.length }, words).toEqual({ status: 0, count: ranks });
          const total = (ranks * (ranks + 1)) / 2;
          for (const answer of answers) {
            const rank = answer['rank'] as number;
            const ramp = (factor: number): number[] => Array.from({ length: 10 }, (_, i) => factor * (i + 1));
            expect(answer['kind']).toBe('mpi');
            expect(answer['size']).toBe(ranks);
            expect(answer['sum']).toEqual(ramp(total));
            expect(answer['inMemory']).toEqual(ramp(total));
            (answer['mean'] as number[]).forEach((x, i) => {
              expect(x).toBeCloseTo((total / ranks) * (i + 1), 5);
            });
            expect(answer['block']).toEqual(ramp(total).slice(...blockOf(10, ranks, rank)));
            const owner = (i: number): number =>
              Array.from({ length: ranks }, (_, r) => r).findIndex((r) => i < blockOf(10, ranks, r)[1]) + 1;
            expect(answer['gathered']).toEqual(Array.from({ length: 10 }, (_, i) => owner(i)));
            expect(answer['dealt']).toEqual(Array.from({ length: ranks }, (_, from) => 10 * from + rank));
            expect(answer['told']).toEqual(ramp(2));
            expect(answer['passed']).toEqual(ramp(((rank + ranks - 1) % ranks) + 1));
          }
        });
      }

      it.each([
        [2, 1],
        [3, 1],
        [2, 2],
      ])(
        '%i ranks of %i replicas: the losses of one process to 1e-5, the same weights on all',
        async (ranks, replicas) => {
          const losses = await lossesAlone();
          const { status, answers, words } = await launch(launcher, 'rank-fit', { ranks, input: { replicas } });
          expect({ status, count: answers.length }, words).toEqual({ status: 0, count: ranks });
          for (const answer of answers) {
            expect(answer['weights']).toBe(answers[0]!['weights']);
            expect(answer['metric']).toEqual(answers[0]!['metric']);
            (answer['losses'] as number[]).forEach((loss, i) => {
              expect(Math.abs(loss - losses[i]!)).toBeLessThan(1e-5);
            });
          }
        },
      );

      it('a sharded update: the losses of one process to 1e-5', async () => {
        const losses = await lossesAlone();
        const { status, answers, words } = await launch(launcher, 'rank-fit', { input: { shardUpdate: true } });
        expect({ status, count: answers.length }, words).toEqual({ status: 0, count: 2 });
        expect(answers[1]!['weights']).toBe(answers[0]!['weights']);
        (answers[0]!['losses'] as number[]).forEach((loss, i) => {
          expect(Math.abs(loss - losses[i]!)).toBeLessThan(1e-5);
        });
      });

      it.each([
        [2, { stages: 2 }],
        [4, { stages: 2 }],
        [4, { tensor: 2 }],
      ])('%i ranks as %o: the losses of one process to 1e-5', async (ranks, input) => {
        const losses = await lossesAlone();
        const { status, answers, words } = await launch(launcher, 'rank-fit', { ranks, input });
        expect({ status, count: answers.length }, words).toEqual({ status: 0, count: ranks });
        for (const answer of answers) {
          expect(answer['metric']).toEqual(answers[0]!['metric']);
          (answer['losses'] as number[]).forEach((loss, i) => {
            expect(Math.abs(loss - losses[i]!)).toBeLessThan(1e-5);
          });
        }
      });

      // Again where a launcher ended before it passed on what the ranks had said (seen of MPICH's, once in many runs).
      const again = { retry: 2 };
      it.each(['SIGKILL', 'SIGSTOP'] as const)(
        'a rank that gets %s stops all, and nothing is left',
        again,
        async (signal) => {
          const pids = new Map<number, number>();
          let since = 0;
          const ended = await launch(launcher, 'rank-fit', {
            ranks: 3,
            input: { isEndless: true },
            env: { PARE_MPI_TIMEOUT: '2' },
            onLine: ({ rank, pid }) => {
              pids.set(rank as number, pid as number);
              if (pids.size < 3) return;
              since = performance.now();
              process.kill(pids.get(1)!, signal);
            },
          });
          expect(pids.size, ended.words).toBe(3);
          expect(ended.status).not.toBe(0);
          expect(performance.now() - since).toBeLessThan(10_000);
          for (const pid of pids.values()) await expect.poll(() => isGone(pid), { timeout: 3000 }).toBe(true);
          if (signal === 'SIGSTOP') expect(ended.words).toMatch(/Rank 1 did not come/);
        },
      );
    });
  }
});
