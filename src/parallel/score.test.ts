import { expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { classifier, dense, sequential, tanh } from '../nn/index.ts';
import { evaluate } from '../report/evaluate.ts';
import { openEngine } from '../runtime/index.ts';
import { localGroup } from './local.ts';
import { answering } from './tell.ts';

it.each([2, 3])('%i ranks that score together give the very score of one', async (size) => {
  using engine = await openEngine({ threads: 1 });
  const source = random(1, 'samples');
  const count = 103;
  const data = inMemory({
    name: 'noise',
    inputs: {
      x: { dtype: 'float32', dims: [6], data: Float32Array.from({ length: count * 6 }, () => source.normal()) },
    },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: count }, () => source.integer(4)) },
  });
  const subject = { name: 'net', model: sequential([dense(32), tanh(), classifier(4)], { input: [6] }) };
  const one = await evaluate(subject, data, { engine }, { batch: 10 });
  const all = await Promise.all(
    localGroup(size).map((group) => evaluate(subject, data, { engine, among: answering(group) }, { batch: 10 })),
  );
  for (const score of all) expect(score).toEqual(one);
});
