/**
 * ONNX's own backend tests: every model reads, writes back and gives the recorded outputs in ONNX Runtime, and our
 * shape rules agree with what was recorded. Nothing but PareError is ever thrown.
 */

import { describe, expect, it } from 'vitest';
import { PareError } from '../../src/base/error.ts';
import { type Random, random } from '../../src/base/random.ts';
import { type Attr, type Graph, type Model, type Node, tensorType, type ValueInfo } from '../../src/graph/model.ts';
import { numbers, type Tensor } from '../../src/graph/tensor.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { rowOf } from '../../src/ops/index.ts';
import { type Facts, infer } from '../../src/ops/infer.ts';
import { modernize } from '../../src/ops/modern.ts';
import { inOwnOpset } from '../../src/ops/own-opset.ts';
import { openEngine, type Session } from '../../src/runtime/index.ts';
import { type NodeCase, nodeCases, present } from './node-cases.ts';

/** The same graph as new objects, so that the writer spells out every node. */
const anew = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) => ({
    ...node,
    attrs: Object.fromEntries(Object.entries(node.attrs).map(([key, attr]) => [key, anewAttr(attr)])),
  })),
});
const anewAttr = (attr: Attr): Attr =>
  attr.kind === 'graph' ? { kind: 'graph', value: anew(attr.value) } : { ...attr };

/** Feeds by the graph's own input names; undefined where something is no tensor. */
function feedsOf({ graph }: Model, { inputs }: NodeCase): Record<string, Tensor> | undefined {
  const isTensor = (info: ValueInfo): boolean => tensorType(info) !== undefined;
  if (!graph.inputs.every(isTensor) || !graph.outputs.every(isTensor)) return undefined;
  const names = graph.inputs
    .map(({ name }) => name)
    .filter((name) => !graph.initializers.has(name) || inputs.length === graph.inputs.length);
  const feeds: Record<string, Tensor> = {};
  for (const [i, name] of names.entries()) {
    const tensor = inputs[i];
    if (!tensor) return undefined;
    feeds[name] = tensor;
  }
  return feeds;
}

/** What the rows say when the inputs are known to the last element. */
const inferWith = (graph: Graph, feeds: Readonly<Record<string, Tensor>>): Facts =>
  infer({
    ...graph,
    inputs: graph.inputs.filter(({ name }) => feeds[name] === undefined),
    outputs: graph.outputs.map(({ name }) => ({ name })),
    values: new Map(),
    initializers: new Map([...graph.initializers, ...Object.entries(feeds)]),
  });

/** The first element that is off by more than ONNX's own tolerance, told in words. */
function difference(got: Tensor, want: Tensor): string | undefined {
  if (got.dtype !== want.dtype) return `dtype ${got.dtype}, recorded ${want.dtype}`;
  if (`${got.dims}` !== `${want.dims}`) return `dims [${got.dims}], recorded [${want.dims}]`;
  if (want.dtype === 'string') return `${got.strings}` === `${want.strings}` ? undefined : 'other strings';
  const [a, b] = [numbers(got), numbers(want)];
  const narrow = /16|8/.test(want.dtype);
  for (const [i, x] of a.entries()) {
    const y = b[i]!;
    const off = Math.abs(x - y);
    if (
      off > (narrow ? 2e-2 : 1e-3) * Math.abs(y) + (narrow ? 2e-2 : 1e-5) &&
      !(Number.isNaN(x) && Number.isNaN(y)) &&
      x !== y
    )
      return `element ${i} is ${x}, recorded ${y}`;
  }
  return undefined;
}

/** Forms of before opset 9 that today's ops have no words for: a typed error is the right answer. */
const isTooOld = (thrown: unknown): boolean => thrown instanceof PareError && thrown.code === 'op/old';

function modernized(model: Model): Model {
  try {
    return modernize(model);
  } catch (thrown) {
    if (isTooOld(thrown)) return model;
    throw thrown;
  }
}

type Outcome = 'ok' | 'not run' | `differs: ${string}` | `fails: ${string}`;

async function outputsMatch(
  load: (bytes: Uint8Array) => Promise<Session>,
  model: Model,
  one: NodeCase,
): Promise<Outcome> {
  const feeds = feedsOf(model, one);
  if (!feeds || one.outputs.some((output) => output === undefined)) return 'not run';
  try {
    using session = await load(writeModel(model));
    const got = await session.run(feeds);
    for (const [i, { name }] of model.graph.outputs.entries()) {
      const off = one.outputs[i] && difference(got[name]!, one.outputs[i]);
      if (off) return `differs: ${name}: ${off}`;
    }
    return 'ok';
  } catch (thrown) {
    if (!(thrown instanceof PareError)) throw thrown;
    return `fails: ${thrown.message.slice(0, 160)}`;
  }
}

/** The same input with other dimensions: another rank, symbols, zeros. */
function bend(info: ValueInfo, source: Random): ValueInfo {
  const type = tensorType(info);
  const dims = Array.from({ length: source.integer(5) }, () => [0, 1, 3, 'N', null][source.integer(5)]!);
  return type ? { ...info, type: { ...type, dims } } : info;
}

/** The same node without one of its attributes or inputs. */
function worsen(node: Node, source: Random): Node {
  const keys = Object.keys(node.attrs);
  const gone = keys[source.integer(keys.length + 1)];
  const attrs = Object.fromEntries(Object.entries(node.attrs).filter(([key]) => key !== gone));
  return { ...node, attrs, inputs: node.inputs.slice(0, node.inputs.length - source.integer(2)) };
}

describe.skipIf(!present)('ONNX backend tests (skipped without $PARE_DATA or ../shared/data)', () => {
  const cases = nodeCases();

  it('reads every model and writes it back byte for byte', () => {
    const odd = cases.filter(({ model }) => Buffer.compare(writeModel(readModel(model)), model) !== 0);
    expect(odd.map(({ name }) => name)).toEqual([]);
  });

  it('infers the shapes that were recorded, wherever every op has a row', () => {
    const wrong: string[] = [];
    const tally = new Map<string, { right: number; open: number; rowless: number }>();
    const count = (op: string, key: 'right' | 'open' | 'rowless') => {
      const entry = tally.get(op) ?? { right: 0, open: 0, rowless: 0 };
      entry[key] += 1;
      tally.set(op, entry);
    };
    for (const one of cases) {
      const { graph } = readModel(one.model);
      const tested = graph.nodes.at(-1)?.op ?? 'none';
      const feeds = feedsOf({ graph } as Model, one);
      if (!feeds) continue;
      if (graph.nodes.some((node) => !rowOf(node))) {
        count(graph.nodes.find((node) => !rowOf(node))!.op, 'rowless');
        continue;
      }
      try {
        const facts = inferWith(modernize(readModel(one.model)).graph, feeds);
        graph.outputs.forEach(({ name }, i) => {
          const want = one.outputs[i];
          const fact = facts.get(name);
          if (!want) return;
          const isComplete = fact?.dims.every((dim) => typeof dim === 'number');
          const fits =
            !fact ||
            (fact.dtype === want.dtype &&
              fact.dims.length === want.dims.length &&
              fact.dims.every((dim, k) => typeof dim !== 'number' || dim === want.dims[k]));
          if (!fits)
            wrong.push(`${one.name}: ${name} ${fact.dtype}[${fact.dims}], recorded ${want.dtype}[${want.dims}]`);
          count(tested, isComplete && fits ? 'right' : 'open');
        });
      } catch (thrown) {
        if (isTooOld(thrown)) continue;
        wrong.push(`${one.name}: ${thrown instanceof PareError ? thrown.message : (thrown as Error).stack}`);
      }
    }
    const table = [...tally].sort(([a], [b]) => (a < b ? -1 : 1));
    console.log(
      table
        .map(
          ([op, { right, open, rowless }]) =>
            `${op} ${right}${open ? ` (${open} open)` : ''}${rowless ? ` (${rowless} without a row)` : ''}`,
        )
        .join(' · '),
    );
    expect(wrong).toEqual([]);
  });

  it('answers nonsense with a typed error or an open shape', () => {
    const source = random(5, 'nonsense');
    const wrong: string[] = [];
    for (const one of cases) {
      const { graph } = readModel(one.model);
      const bent = {
        ...graph,
        inputs: graph.inputs.map((info) => bend(info, source)),
        nodes: graph.nodes.map((node) => worsen(node, source)),
      };
      try {
        infer(bent);
      } catch (thrown) {
        if (!(thrown instanceof PareError)) wrong.push(`${one.name}: ${(thrown as Error).stack?.slice(0, 300)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('keeps the recorded outputs, written anew and in today’s forms', async () => {
    using engine = await openEngine({ threads: 1 });
    // Not 'none': without its basic rewrites the engine cannot run some float16 functions.
    const load = (bytes: Uint8Array) => engine.load(bytes, { optimize: 'basic', threads: 1 });
    const tally = new Map<string, { ok: number; off: number }>();
    const wrong: string[] = [];
    let notRun = 0;
    for (const one of cases.filter(({ verdict }) => verdict === 'pass')) {
      const read = readModel(one.model);
      const tested = read.graph.nodes.at(-1)?.op ?? 'none';
      const entry = tally.get(tested) ?? { ok: 0, off: 0 };
      tally.set(tested, entry);
      const fresh = { ...read, graph: anew(read.graph) };
      const modern = modernized(fresh);
      const { model: own, raised } = inOwnOpset(modern);
      // What the forms of ops were before opset 7 is not known.
      if (raised && raised.from >= 7) wrong.push(`${one.name}: ${raised.why}`);
      for (const [how, model] of [
        ['anew', fresh],
        ...(modern === fresh ? [] : [['modern', modern] as const, ['in its own opset', own] as const]),
      ] as const) {
        const outcome = await outputsMatch(load, model, one);
        if (outcome === 'not run') notRun += 1;
        else if (outcome === 'ok') entry.ok += 1;
        else {
          entry.off += 1;
          wrong.push(`${one.name} ${how} ${outcome}`);
        }
      }
    }
    const table = [...tally].sort(([a], [b]) => (a < b ? -1 : 1));
    console.log(`${notRun} not run (sequences, optionals) · ${table.map(([op, { ok }]) => `${op} ${ok}`).join(' · ')}`);
    expect(wrong).toEqual([]);
  }, 240_000);
});
