/** One rank: every collective once, the results as one JSON line. */

import { blockOf } from '../../src/parallel/collective.ts';
import { asRank } from '../../src/parallel/join.ts';

const LENGTH = 10;

await asRank(async (group) => {
  const { rank, size } = group;
  const fresh = (): Float32Array => Float32Array.from({ length: LENGTH }, (_, i) => (rank + 1) * (i + 1));
  const sum = fresh();
  await group.allReduce(sum);
  const mean = fresh();
  await group.allReduce(mean, 'mean');
  const scattered = fresh();
  await group.reduceScatter(scattered, 'sum');
  const gathered = new Float32Array(LENGTH);
  gathered.fill(rank + 1, ...blockOf(LENGTH, size, rank));
  await group.allGather(gathered);
  const dealt = new Float32Array(size);
  await group.allToAll(
    Float32Array.from({ length: size }, (_, to) => 10 * rank + to),
    dealt,
  );
  const told = fresh();
  await group.broadcast(told, 1);
  await group.barrier();
  const passed = new Float32Array(LENGTH);
  const next = (rank + 1) % size;
  const before = (rank + size - 1) % size;
  if (rank % 2 === 0) await group.send(fresh(), next, 5);
  await group.receive(passed, before, 5);
  if (rank % 2 === 1) await group.send(fresh(), next, 5);
  const wasm = new WebAssembly.Memory({ initial: 1 });
  const inMemory = new Float32Array(wasm.buffer, 64, LENGTH);
  inMemory.set(fresh());
  await group.allReduce(inMemory);
  console.log(
    JSON.stringify({
      rank,
      size,
      kind: group.kind,
      sum: [...sum],
      mean: [...mean],
      block: [...scattered.subarray(...blockOf(LENGTH, size, rank))],
      gathered: [...gathered],
      dealt: [...dealt],
      told: [...told],
      passed: [...passed],
      inMemory: [...inMemory],
    }),
  );
});
