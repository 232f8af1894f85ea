/** One rank of a training run: `{epochs, replicas, stages, tensor, shardUpdate, isEndless}` in, its losses and a digest of its weights out. */

import { createHash } from 'node:crypto';
import { asPareError } from '../../src/base/error.ts';
import { fitParallel } from '../../src/parallel/fit.ts';
import { asRank } from '../../src/parallel/join.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { blobs, net } from './task.ts';

const say = (answer: unknown): void => console.log(JSON.stringify(answer));
const {
  epochs = 2,
  replicas = 1,
  stages,
  tensor,
  shardUpdate = false,
  isEndless = false,
} = JSON.parse(process.argv[2] ?? '{}') as {
  epochs?: number;
  replicas?: number;
  stages?: number;
  tensor?: number;
  shardUpdate?: boolean;
  isEndless?: boolean;
};

await asRank(
  async (collective) => {
    using engine = await openEngine({ threads: 1 });
    const losses: number[] = [];
    const { model, report } = await fitParallel(
      net(),
      blobs(100),
      {
        epochs: isEndless ? 1e6 : epochs,
        batch: 24,
        replicas,
        shardUpdate,
        ...(stages && { stages }),
        ...(tensor && { tensor }),
        collective,
        validation: blobs(50),
        logs: [
          {
            step(step, loss) {
              if (!isEndless) losses.push(loss);
              else if (step === 5) say({ rank: collective.rank, pid: process.pid });
            },
          },
        ],
      },
      { engine, seed: 3 },
    );
    const digest = createHash('sha256');
    for (const { bytes } of model.graph.initializers.values()) digest.update(bytes);
    say({ rank: collective.rank, losses, weights: digest.digest('hex'), metric: report.epochs.at(-1)!.metric });
  },
  { onError: (error, { rank }) => console.error(`rank ${rank}: ${asPareError(error).describe()}`) },
);
