/**
 * Trains each recipe with several seeds and scores it on data that nothing was chosen by, beside PyTorch on the same arrays.
 * `-- --only mnist,sst2-lstm --seeds 3 --peer torch --json`
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bind, type Dataset, portsOf } from '../../src/data/index.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { adam, fit, metricFor, scoreModel, taskOf } from '../../src/train/index.ts';
import { pythonWith, startPeer } from '../peer/process.ts';
import type { Recipe } from './recipe.ts';
import { rateOf, recipes } from './recipes.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seeds: { type: 'string', default: '3' },
    peer: { type: 'string', default: '' },
    data: { type: 'string', default: process.env['PARE_DATA'] ?? '../shared/data' },
    threads: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i);
const threads = Number(values.threads) || 2;
const engine = await openEngine({ threads });
const folder = mkdtempSync(join(tmpdir(), 'pare-accuracy-'));
const python = values.peer.includes('torch') ? await pythonWith('torch') : undefined;
const results: Record<string, unknown>[] = [];

const mean = (list: readonly number[]): number => list.reduce((sum, x) => sum + x, 0) / list.length;
const spread = (list: readonly number[]): number => Math.max(...list) - Math.min(...list);
const show = (list: readonly number[]): string => `${mean(list).toFixed(4)} ± ${(spread(list) / 2).toFixed(4)}`;

/** Writes a column of all samples as the bytes that the peer reads. */
function dump(data: Dataset, column: string, name: string): Record<string, unknown> {
  const { dims, dtype } = column === 'labels' ? data.labels! : data.inputs[column]!;
  const isWhole = dtype.startsWith('int');
  const count = data.size * dims.reduce((n, dim) => n * dim, 1);
  const array = isWhole ? new BigInt64Array(count) : new Float32Array(count);
  data.fill(
    column,
    Int32Array.from({ length: data.size }, (_, i) => i),
    array,
  );
  const file = join(folder, `${name}.bin`);
  writeFileSync(file, array);
  return { file, dims: [data.size, ...dims], dtype: isWhole ? 'int64' : 'float32' };
}

async function pare(recipe: Recipe, train: Dataset, test: Dataset, seed: number): Promise<number> {
  const { optimizer, epochs, batch, augment } = recipe;
  const model = recipe.model(train, seed);
  const ports = portsOf(model.graph);
  const shown = bind(augment?.(train, seed) ?? train, ports);
  const task = taskOf(model, shown);
  const { model: trained } = await fit(
    model,
    shown,
    {
      epochs,
      batch,
      loss: task.loss,
      optimizer: (steps) => optimizer?.(steps) ?? adam({ lr: rateOf(recipe, steps) }),
    },
    { engine, seed },
  );
  return scoreModel(trained, bind(test, ports), { engine, seed }, { metric: recipe.metric ?? task.metric });
}

for (const recipe of recipes) {
  if (values.only && !values.only.split(',').includes(recipe.name)) continue;
  const { train, test } = await recipe.open(values.data);
  const [input] = Object.keys(train.inputs);
  const scores: number[] = [];
  const began = performance.now();
  for (const seed of seeds) scores.push(await pare(recipe, train, test, seed));
  const seconds = (performance.now() - began) / 1000 / seeds.length;
  const result: Record<string, unknown> = {
    name: recipe.name,
    metric: recipe.metric?.name ?? metricFor(train.task).name,
    pare: scores,
    seconds,
  };
  if (python) {
    const peer = await startPeer(python, ['bench/peers/torch_accuracy.py', `${threads}`]);
    const answer = await peer.ask({
      ...recipe.peer,
      epochs: recipe.epochs,
      batch: recipe.batch,
      lr: recipe.lr,
      metric: result['metric'],
      tokens: train.inputs[input!]!.tokens ?? 0,
      outputs:
        train.task === 'classification' ? (train.classes?.length ?? 10) : train.labels!.dims.reduce((n, d) => n * d, 1),
      seeds,
      x: dump(train, input!, 'x'),
      y: dump(train, 'labels', 'y'),
      xt: dump(test, input!, 'xt'),
      yt: dump(test, 'labels', 'yt'),
    });
    peer.end();
    Object.assign(result, answer);
  }
  results.push(result);
  const torch = result['torch'] as number[] | undefined;
  const others = Object.entries((result['sklearn'] ?? {}) as Record<string, number>);
  const line = [
    recipe.name.padEnd(20),
    `${result['metric']}`.padEnd(9),
    `pare ${show(scores)}`,
    torch && `torch ${show(torch)}`,
    ...others.map(([name, value]) => `${name} ${value.toFixed(4)}`),
    `${seconds.toFixed(0)} s a run`,
  ];
  process.stderr.write(`${line.filter(Boolean).join('   ')}\n`);
}
rmSync(folder, { recursive: true, force: true });
if (values.json)
  process.stdout.write(
    `${JSON.stringify({ results, threads, versions: { onnxruntime: engine.version, node: process.version } }, null, 1)}\n`,
  );
engine[Symbol.dispose]();
