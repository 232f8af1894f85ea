/**
 * All-reduce bandwidth over sizes, beside a copy of the same bytes: `node dist/bench/parallel/all-reduce.js` for two ranks
 * in one process, `mpirun -n 2 node dist/bench/parallel/all-reduce.js` for MPI. One JSON line.
 *
 *   bandwidth = bytes of the array / time of one all-reduce
 */

import type { Collective } from '../../src/parallel/collective.ts';
import { asRank } from '../../src/parallel/join.ts';
import { isLaunched } from '../../src/parallel/launched.ts';
import { localGroup } from '../../src/parallel/local.ts';

const SIZES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 2e8];
const ROUNDS = 7;
const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;

async function measure(group: Collective): Promise<object[]> {
  const rows = [];
  for (const bytes of SIZES) {
    const values = new Float32Array(bytes / 4).fill(1e-3);
    const other = new Float32Array(values.length);
    const inner = Math.max(1, Math.min(200, Math.floor(2e7 / bytes)));
    const times: { reduce: number[]; copy: number[] } = { reduce: [], copy: [] };
    for (let round = 0; round < ROUNDS; round++) {
      await group.barrier();
      let started = performance.now();
      for (let i = 0; i < inner; i++) await group.allReduce(values);
      times.reduce.push((performance.now() - started) / inner);
      started = performance.now();
      for (let i = 0; i < inner; i++) other.set(values);
      times.copy.push((performance.now() - started) / inner);
      values.fill(1e-3);
    }
    const perSecond = (ms: number): number => bytes / 1e6 / ms;
    rows.push({
      bytes,
      allReduceMs: median(times.reduce),
      gigabytesPerSecond: perSecond(median(times.reduce)),
      copyGigabytesPerSecond: perSecond(median(times.copy)),
    });
  }
  return rows;
}

if (isLaunched()) {
  await asRank(async (group) => {
    const rows = await measure(group);
    if (group.rank === 0) console.log(JSON.stringify({ kind: group.kind, ranks: group.size, rows }));
  });
} else {
  const [rows] = await Promise.all(localGroup(2).map(measure));
  console.log(JSON.stringify({ kind: 'local', ranks: 2, rows }));
}
