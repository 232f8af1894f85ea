/** A training run that goes on from its checkpoint, in a process that may be killed. Arguments: checkpoint folder, where to write the model. */

import { writeFileSync } from 'node:fs';
import { random } from '../../src/base/random.ts';
import { inMemory } from '../../src/data/index.ts';
import { batchNorm, classifier, dense, dropout, relu, sequential } from '../../src/nn/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { openEngine } from '../../src/runtime/index.ts';
import { adam, cosine, ema, fit } from '../../src/train/index.ts';

const [folder, out] = process.argv.slice(2) as [string, string];
const source = random(1, 'data');
const set = (name: string, size: number) => {
  const data = Float32Array.from({ length: size * 8 }, () => source.normal());
  const labels = Int32Array.from({ length: size }, (_, i) => (data[i * 8]! * data[i * 8 + 1]! > 0 ? 1 : 0));
  return inMemory({
    name,
    inputs: { x: { dtype: 'float32', dims: [8], data } },
    labels: { dtype: 'int64', dims: [], data: labels },
  });
};
const [data, validation] = [set('train', 512), set('validation', 128)];
const model = sequential([dense(24), batchNorm(), relu(), dropout(0.2), dense(16), relu(), classifier(2)], {
  input: [8],
});
const engine = await openEngine({ threads: 1 });
process.stdout.write('ready\n');
const { model: trained } = await fit(
  model,
  data,
  {
    epochs: 40,
    batch: 16,
    validation,
    optimizer: (steps) => ema(adam({ lr: cosine(0.01, steps) }), { keep: 0.95 }),
    checkpoint: { folder, everySteps: 7 },
    resume: true,
  },
  { engine, seed: 3 },
);
writeFileSync(out, writeModel(trained));
process.exit(0);
