/** One rank of a network whose weights, slopes and Adam's state take 403 MB; `{stages, tensor}` in, the losses and this process's peak out. */

import { chainLayers, classifier, dense, fanInUniform, sequential, tanh } from '../../src/nn/index.ts';
import { fitParallel } from '../../src/parallel/fit.ts';
import { asRank } from '../../src/parallel/join.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { adam } from '../../src/train/index.ts';
import { blobs } from './task.ts';

const WIDTH = 2048;
const LAYERS = 6;

const how = JSON.parse(process.argv[2] ?? '{}') as { stages?: number; tensor?: number };
const layers = Array.from({ length: LAYERS }, () => chainLayers(dense(WIDTH, { init: fanInUniform }), tanh()));
const model = sequential([...layers, classifier(3)], { input: [WIDTH] });

await asRank(async (collective) => {
  using engine = await openEngine({ threads: 1 });
  const losses: number[] = [];
  const logs = [{ step: (_: number, loss: number): void => void losses.push(loss) }];
  const data = blobs(32, [WIDTH]);
  await fitParallel(
    model,
    data,
    { epochs: 1, batch: 8, optimizer: adam({ lr: 1e-4 }), logs, validation: data, replicas: 1, ...how, collective },
    { engine, seed: 3 },
  );
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ rank: collective.rank, losses, peakBytes }));
});
