/** Where a row's links let channels go, the cut op answers what the masked op answers. Every row, every sample. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFloat } from '../../src/graph/dtype.ts';
import type { Model } from '../../src/graph/model.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { ops } from '../../src/ops/index.ts';
import { cut, leftAfter } from '../../src/prune/cut.ts';
import { gather } from '../../src/prune/gather.ts';
import { solve, type Units } from '../../src/prune/group.ts';
import { mask } from '../../src/prune/mask.ts';
import { difference } from '../../src/prune/verify.ts';
import { type Engine, openEngine } from '../../src/runtime/index.ts';
import { sampleModel, show } from './sample-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const run = async (model: Model): Promise<Record<string, Tensor>> => {
  using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
  return await session.run({});
};

/** The sample with its feeds as weights, so that they may be cut. */
function frozen({ model, feeds }: ReturnType<typeof sampleModel>): Model {
  const { graph } = model;
  const initializers = new Map([...graph.initializers, ...Object.entries(feeds)]);
  return { ...model, graph: { ...graph, inputs: [], initializers } };
}

for (const row of ops.values()) {
  if (row.couple === 'none' || row.domain === 'pare') continue;
  row.samples.forEach((sample) => {
    describe(`${row.type} ${show(sample)}`, () => {
      const model = frozen(sampleModel(row, sample));
      const solved = solve(model.graph, { cutPorts: true });

      it.skipIf(solved.groups.length === 0)('answers the same cut as masked', async () => {
        for (const group of solved.groups) {
          for (let unit = 0; unit < group.size; unit++) {
            const cuts: Units[] = [{ group, units: [unit] }];
            const small = await run(cut(model, solved, cuts));
            const masked = await run(mask(model, solved, cuts));
            const left = leftAfter(cuts);
            for (const [name, value] of Object.entries(small)) {
              const kept = value.dims.map((_, axis) => left.get(name)?.get(axis));
              const expected = gather(masked[name]!, kept);
              expect(value.dims, `${name} without unit ${unit} of ${group.name}`).toEqual(expected.dims);
              if (!isFloat(value.dtype)) continue;
              expect(difference(value, expected), `${name} without unit ${unit} of ${group.name}`).toBeLessThan(1e-6);
            }
          }
        }
      });
    });
  });
}
