/** Every row, on every sample, keeps the promises of a row. A new op is tested by being in the table. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../../src/base/random.ts';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../../src/grad/expand.ts';
import { removeDead } from '../../src/graph/edit.ts';
import { type Graph, type Model, tensorType } from '../../src/graph/model.ts';
import { floats, numbers, sizeOf, type Tensor, tensor } from '../../src/graph/tensor.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { draft } from '../../src/ops/builder.ts';
import { ops } from '../../src/ops/index.ts';
import { attrsOf, bySlot, infer } from '../../src/ops/infer.ts';
import type { Named, StaticValue } from '../../src/ops/op.ts';
import { type Engine, openEngine } from '../../src/runtime/index.ts';
import { sampleModel, show } from './sample-model.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const run = async (
  opsets: Model['opsets'],
  graph: Graph,
  feeds: Record<string, Tensor>,
): Promise<Record<string, Tensor>> => {
  const model: Model = { ir: 10, opsets, graph, producer: { name: 'test', version: '' }, metadata: {} };
  using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
  return await session.run(feeds);
};

const NUDGE = 2e-2;
const RELATIVE = 1e-3;

for (const row of ops.values()) {
  row.samples.forEach((sample) => {
    describe(`${row.type} ${show(sample)}`, () => {
      const { model, feeds, outputs } = sampleModel(row, sample);
      const { graph } = model;

      it('infers the shape it computes', async () => {
        const facts = infer(graph);
        const computed = await run(model.opsets, graph, feeds);
        for (const name of outputs) {
          expect(facts.get(name)?.dims, name).toEqual([...computed[name]!.dims]);
          expect(facts.get(name)?.dtype, name).toBe(computed[name]!.dtype);
        }
      });

      if (row.decompose) {
        it('computes the same in parts', async ({ skip }) => {
          const parts = expand(graph, infer(graph), () => true);
          if (parts === graph) skip('this form stays whole');
          const [want, got] = [await run(model.opsets, graph, feeds), await run(model.opsets, parts, feeds)];
          for (const name of outputs) {
            const [a, b] = [numbers(want[name]!), numbers(got[name]!)];
            expect(got[name]!.dims, name).toEqual(want[name]!.dims);
            const size = Math.max(1, ...a.map(Math.abs));
            // Integers may differ by the last digit of the float they were rounded from.
            const most = row.isQuantized && want[name]!.dtype !== 'float32' ? 1 : 1e-5 * size;
            a.forEach(
              (x, i) => void expect(Math.abs(x - b[i]!), `${name}[${i}]: ${x}, ${b[i]}`).toBeLessThanOrEqual(most),
            );
          }
        });
      }

      // Nothing to nudge (all inputs exact) or nothing that moves (integer outputs): then there is no slope to compare.
      const isFlat =
        Object.keys(feeds).length === 0 || graph.outputs.every((info) => tensorType(info)?.dtype !== 'float32');
      it.skipIf((typeof row.grad === 'string' && !row.decompose) || isFlat)(
        'has the slope that a nudge shows',
        async () => {
          const facts = infer(graph);
          const source = random(7, 'slope');
          const floating = outputs.filter((name) => facts.get(name)!.dtype === 'float32');
          const seeds = new Map(
            floating.map((name) => {
              const dims = facts.get(name)!.dims as number[];
              return [name, Float32Array.from({ length: sizeOf(dims) }, () => source.normal())];
            }),
          );
          // Loss = Σ dY · Y, summed in float64 for the nudges and as nodes for the slopes.
          const building = draft(graph, facts);
          const { g } = building;
          const terms = floating.map((name) => {
            const value = g.of(name);
            return g.ReduceSum(g.Mul(value, g.constant(tensor('float32', value.dims, seeds.get(name)!))), {
              keepdims: 0,
            });
          });
          const loss = terms.reduce((a, b) => g.Add(a, b));
          const whole = building.finish();
          const wanted = Object.keys(feeds);
          const { graph: joint, slopes } = differentiate(whole, loss.name, wanted, infer(whole));
          const ready = expand(joint, infer(joint), ({ domain }) => domain === OWN_DOMAIN);
          const slopeOutputs = [...slopes.values()].map((name) => ({
            name,
            type: { kind: 'tensor' as const, dtype: 'float32' as const },
          }));
          const computed = await run(model.opsets, removeDead({ ...ready, outputs: dedupe(slopeOutputs) }), feeds);

          using session = await engine.load(writeModel(model), { optimize: 'none', threads: 1 });
          const lossAt = async (fed: Record<string, Tensor>): Promise<number> => {
            const result = await session.run(fed);
            return floating.reduce((sum, name) => {
              const dY = seeds.get(name)!;
              return sum + floats(result[name]!).reduce((part, y, i) => part + y * dY[i]!, 0);
            }, 0);
          };
          for (const name of wanted) {
            const slope = slopes.has(name)
              ? floats(computed[slopes.get(name)!]!)
              : new Float32Array(sizeOf(feeds[name]!.dims));
            expect(slope.length).toBe(sizeOf(feeds[name]!.dims));
            const at = floats(feeds[name]!);
            const nudged = new Float64Array(at.length);
            for (let i = 0; i < at.length; i++) {
              const moved = async (by: number): Promise<number> => {
                const copy = at.slice();
                copy[i]! += by;
                return await lossAt({ ...feeds, [name]: tensor('float32', feeds[name]!.dims, copy) });
              };
              // Richardson: the error of plain central differences falls with the square of the step, this one's with the fourth power.
              const wide = ((await moved(NUDGE)) - (await moved(-NUDGE))) / (2 * NUDGE);
              const close = ((await moved(NUDGE / 2)) - (await moved(-NUDGE / 2))) / NUDGE;
              nudged[i] = (4 * close - wide) / 3;
            }
            const size = Math.max(...nudged.map(Math.abs), 1e-2);
            for (let i = 0; i < at.length; i++) {
              expect(
                Math.abs(slope[i]! - nudged[i]!) / size,
                `d${name}[${i}]: slope ${slope[i]}, nudge ${nudged[i]}`,
              ).toBeLessThan(sample.tolerance?.relative ?? RELATIVE);
            }
          }
        },
      );

      if (typeof row.cost !== 'string') {
        it('costs what ones add up to', async () => {
          // With every operand 1 and nothing else added, each multiply-accumulate contributes 1 to the sum of the result.
          const facts = infer(graph);
          const node = graph.nodes[0]!;
          const values = {
            ...bySlot(
              row.inputs,
              node.inputs.map((name) => facts.get(name)),
            ),
            ...bySlot(
              row.outputs,
              node.outputs.map((name) => facts.get(name)),
            ),
          } as Named<StaticValue>;
          const { macs } = (row.cost as Exclude<typeof row.cost, 'none'>)(values, attrsOf(row, node));
          expect(Number.isInteger(macs) && macs >= 0).toBe(true);
          if (sample.macs !== undefined) {
            expect(macs).toBe(sample.macs);
            return;
          }
          const pads = node.attrs['pads']?.kind === 'ints' ? node.attrs['pads'].value : [];
          const padded = pads.some((pad) => pad > 0) || 'auto_pad' in node.attrs || 'output_padding' in node.attrs;
          if (macs === 0 || padded) return;
          const bare = {
            ...node,
            inputs: node.inputs.slice(0, 2),
            attrs: { ...node.attrs, ...('alpha' in node.attrs && { alpha: { kind: 'float' as const, value: 1 } }) },
          };
          const ones = Object.fromEntries(
            bare.inputs.map((name) => [
              name,
              tensor('float32', feeds[name]!.dims, new Float32Array(sizeOf(feeds[name]!.dims)).fill(1)),
            ]),
          );
          const inputs = graph.inputs.filter(({ name }) => bare.inputs.includes(name));
          const result = await run(model.opsets, { ...graph, nodes: [bare], inputs }, ones);
          expect(floats(result[outputs[0]!]!).reduce((a, b) => a + b, 0)).toBeCloseTo(macs, 3);
        });
      }
    });
  });
}

const dedupe = <T extends { name: string }>(list: readonly T[]): T[] => [
  ...new Map(list.map((item) => [item.name, item])).values(),
];
