/** Real models: rewriting keeps their recorded outputs, and no rule adds arithmetic. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../test/run.ts';
import { checkGraph } from '../graph/check.ts';
import { isStatic } from '../graph/dim.ts';
import type { Graph } from '../graph/model.ts';
import type { Tensor } from '../graph/tensor.ts';
import { readModelFile, readTensorProto } from '../onnx/index.ts';
import { rowOf } from '../ops/index.ts';
import { attrsOf, bySlot, infer } from '../ops/infer.ts';
import { modernize } from '../ops/modern.ts';
import type { Named, StaticValue } from '../ops/op.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { difference, foldConstants, simplify } from './index.ts';

const folder = join(process.env.PARE_DATA ?? join(import.meta.dirname, '../../../shared/data'), 'models');
const models = existsSync(folder)
  ? readdirSync(folder)
      .filter((file) => file.endsWith('.onnx') && existsSync(join(folder, 'io', file.replace('.onnx', ''))))
      .map((file) => file.replace('.onnx', ''))
  : [];

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const recorded = (name: string, what: string): Record<string, Tensor> =>
  Object.fromEntries(
    readdirSync(join(folder, 'io', name))
      .filter((file) => file.startsWith(what))
      .map((file) => readTensorProto(readFileSync(join(folder, 'io', name, file))))
      .map(({ name: value, tensor }) => [value, tensor]),
  );

/** Multiply-accumulates of the nodes whose dimensions are known, for these feeds. */
function macsOf(graph: Graph, feeds: Record<string, Tensor>): number {
  const facts = infer(graph, {
    inputs: Object.fromEntries(Object.entries(feeds).map(([name, { dims }]) => [name, dims])),
  });
  let macs = 0;
  for (const node of graph.nodes) {
    const row = rowOf(node);
    const read = (names: readonly string[]) => names.map((name) => (name ? facts.get(name) : undefined));
    const [inputs, outputs] = [read(node.inputs), read(node.outputs)];
    const isKnown = [...inputs, ...outputs].every((value) => value === undefined || isStatic(value.dims));
    if (!row || row.cost === 'none' || !outputs[0] || !isKnown) continue;
    macs += row.cost(
      { ...bySlot(row.inputs, inputs), ...bySlot(row.outputs, outputs) } as Named<StaticValue>,
      attrsOf(row, node),
    ).macs;
  }
  return macs;
}

// Half precision rounds sums at 2⁻¹¹; everything else is single.
const tolerance = (name: string): number => (name.includes('fp16') ? 2e-3 : 1e-5);

describe.skipIf(models.length === 0)('real models (../shared/data/models, or $PARE_DATA)', () => {
  it.each(models)('%s keeps its outputs', { timeout: 120_000 }, async (name) => {
    const model = await readModelFile(join(folder, `${name}.onnx`));
    const feeds = recorded(name, 'input');
    const expected = await run(engine, model, feeds);
    for (const [output, tensor] of Object.entries(recorded(name, 'output'))) {
      expect(difference(expected, { [output]: tensor }), `the engine and the record of ${output}`).toBeLessThan(1e-3);
    }

    const simple = simplify(model);
    const folded = await foldConstants(simple.model, (part) => run(engine, part, {}));
    const { model: final } = simplify(folded.model);
    checkGraph(final);
    expect(final.graph.outputs.map((info) => info.name)).toEqual(model.graph.outputs.map((info) => info.name));
    expect(difference(await run(engine, simple.model, feeds), expected)).toBeLessThan(tolerance(name));
    expect(difference(await run(engine, final, feeds), expected)).toBeLessThan(tolerance(name));

    const before = modernize(model);
    expect(final.graph.nodes.length).toBeLessThanOrEqual(before.graph.nodes.length);
    expect(macsOf(simple.model.graph, feeds)).toBeLessThanOrEqual(macsOf(before.graph, feeds));
    // A second time there is nothing left to do.
    expect(simplify(final).report.fired).toEqual([]);
  });
});
