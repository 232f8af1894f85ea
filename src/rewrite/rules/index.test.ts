/** Every rule, on every sample, keeps the promises of a rule. A new rule is tested by being in the table. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../test/run.ts';
import { random } from '../../base/random.ts';
import { checkGraph } from '../../graph/check.ts';
import { isFloat } from '../../graph/dtype.ts';
import { feedsOf, type Model, tensorType } from '../../graph/model.ts';
import { numbers, sizeOf, type Tensor, tensor } from '../../graph/tensor.ts';
import { infer } from '../../ops/infer.ts';
import { type Engine, openEngine } from '../../runtime/index.ts';
import { applyRules } from '../apply.ts';
import { sampleModel } from '../rule.ts';
import { rules } from './index.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const feed = ({ graph }: Model): Record<string, Tensor> =>
  Object.fromEntries(
    feedsOf(graph).map((info) => {
      const { dtype, dims } = tensorType(info)!;
      const sizes = dims as readonly number[];
      const source = random(11, info.name);
      const value = isFloat(dtype) ? source.normal : () => source.integer(2);
      return [info.name, tensor(dtype, sizes, Array.from({ length: sizeOf(sizes) }, value))];
    }),
  );

for (const [name, rule] of Object.entries(rules)) {
  describe(name, () => {
    it('goes by its name', () => expect(rule.name).toBe(name));

    it('has samples on which it fires', () => {
      expect(rule.samples.some(({ fires = true }) => fires)).toBe(true);
      for (const { fires = true, leaves } of rule.samples) expect(leaves !== undefined).toBe(fires);
    });

    rule.samples.forEach((sample) => {
      const { fires = true, about } = sample;
      it(`${fires ? 'keeps the outputs' : 'holds back'}: ${about}`, async () => {
        const model = sampleModel(sample);
        const before = structuredClone([...model.graph.initializers].map(([key, { bytes }]) => [key, [...bytes]]));
        const { model: now, report } = applyRules(model, [rule]);
        checkGraph(now);

        expect(report.fired.length > 0, JSON.stringify(report)).toBe(fires);
        if (sample.leaves !== undefined) expect(now.graph.nodes.map(({ op }) => op).join(' ')).toBe(sample.leaves);
        for (const { why } of [...report.fired, ...report.missed]) expect(why).not.toBe('');
        if (!fires && rule.kind === 'pattern') expect(now.graph.nodes).toEqual(model.graph.nodes);
        // The model that came in is a value: its weights are as they were.
        expect([...model.graph.initializers].map(([key, { bytes }]) => [key, [...bytes]])).toEqual(before);

        expect(now.graph.outputs.map(({ name }) => name)).toEqual(model.graph.outputs.map(({ name }) => name));
        expect(feedsOf(now.graph)).toEqual(feedsOf(model.graph));
        const feeds = feed(model);
        const expected = await run(engine, model, feeds);
        const got = await run(engine, now, feeds);
        const facts = infer(now.graph);
        for (const [key, tensor] of Object.entries(expected)) {
          expect(got[key]!.dims, key).toEqual(tensor.dims);
          expect(got[key]!.dtype, key).toBe(tensor.dtype);
          expect(facts.get(key)?.dims, key).toEqual(tensor.dims);
          expect(relativeError(numbers(got[key]!), numbers(tensor)), key).toBeLessThan(1e-5);
        }
      });
    });
  });
}

/** Largest difference over the largest expected magnitude. */
function relativeError(got: readonly number[], expected: readonly number[]): number {
  const scale = Math.max(1e-6, ...expected.filter(Number.isFinite).map(Math.abs));
  return Math.max(
    0,
    ...got.map((value, i) => (Object.is(value, expected[i]) ? 0 : Math.abs(value - expected[i]!) / scale)),
  );
}
