/** Published models: complete shapes that the engine confirms, plausible costs, today's forms with the same outputs. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { random } from '../../src/base/random.ts';
import { costOf } from '../../src/cost/cost.ts';
import { differentiate } from '../../src/grad/differentiate.ts';
import { expand, OWN_DOMAIN } from '../../src/grad/expand.ts';
import { removeDead, valueInfo } from '../../src/graph/edit.ts';
import { feedsOf, type Graph, type Model, tensorType } from '../../src/graph/model.ts';
import { floats, numbers, sizeOf, type Tensor, tensor } from '../../src/graph/tensor.ts';
import { readModelFile, readTensorProto, writeModel } from '../../src/onnx/index.ts';
import { draft } from '../../src/ops/builder.ts';
import { infer } from '../../src/ops/infer.ts';
import { modernize } from '../../src/ops/modern.ts';
import { inOwnOpset } from '../../src/ops/own-opset.ts';
import { widened } from '../../src/rewrite/widen.ts';
import { type Engine, openEngine, type Session } from '../../src/runtime/index.ts';
import { withMasters } from '../../src/train/masters.ts';
import { roundings, smoothed, stepsOf } from './straight-through.ts';

const root = join(process.env['PARE_DATA'] ?? resolve('../shared/data'), 'models');
const present = existsSync(root);
const names = present
  ? readdirSync(root)
      .filter((file) => file.endsWith('.onnx'))
      .map((file) => file.slice(0, -5))
  : ['published models'];

/**
 * Multiply-accumulates of one sample as published, in millions, and the share that counting may differ by.
 * MobileNet V2 1.0 224: Sandler et al. 2018, table 4 · ResNet-20/56: 41 and 126 M (akamaster/pytorch_resnet_cifar10,
 * counted by fvcore) · ResNet-50, VGG-19: 4.09 and 19.63 G, SqueezeNet 1.1 (these weights, whatever the file is
 * called): 0.35 G, torchvision · YOLOX-nano at 416: 1.08 GFLOPs = 540 M, of which two for each of
 * the 8.38 M elements behind its convolutions are BatchNorms, folded here: 523 M.
 */
const PUBLISHED: Readonly<Record<string, readonly [number, number]>> = {
  'mobilenet_v2_1.0_224_fp32': [300, 0.02],
  'mobilenet_v2_1.0_224_uint8_qdq': [300, 0.02],
  resnet20_cifar10: [41, 0.02],
  resnet56_cifar10: [126, 0.02],
  light_resnet50: [4090, 0.02],
  light_vgg19: [19630, 0.02],
  light_squeezenet: [350, 0.02],
  'squeezenet1.0_fp32': [350, 0.02],
  yolox_nano: [523, 0.02],
};

/** Inputs stored beside the models, by the graph's own names. */
function storedFeeds(name: string, model: Model): Record<string, Tensor> | undefined {
  const folder = join(root, 'io', name);
  if (!existsSync(folder)) return undefined;
  const inputs = feedsOf(model.graph).map((info) => info.name);
  const files = readdirSync(folder)
    .filter((file) => file.startsWith('input'))
    .sort();
  return Object.fromEntries(
    files.map((file, i) => {
      const read = readTensorProto(new Uint8Array(readFileSync(join(folder, file))));
      return [inputs.includes(read.name) ? read.name : inputs[i]!, read.tensor];
    }),
  );
}

/** What the input's symbols are when these tensors are fed. */
const symbolsOf = (model: Model, feeds: Readonly<Record<string, Tensor>>): Record<string, number> =>
  Object.fromEntries(
    feedsOf(model.graph).flatMap((info) =>
      (tensorType(info)?.dims ?? []).flatMap((dim, i): [string, number][] =>
        typeof dim === 'string' ? [[dim, feeds[info.name]!.dims[i]!]] : [],
      ),
    ),
  );

/** Without the shapes that the file states: only the rows may answer. */
const bare = (model: Model): Model => ({
  ...model,
  graph: { ...model.graph, values: new Map(), outputs: model.graph.outputs.map(({ name }) => ({ name })) },
});

/** Silero pads and squeezes by the length of its input: without one its ranks are open. */
const FIXED: Readonly<Record<string, Record<string, number>>> = { silero_vad_16k: { sequence: 576 } };

const worst = (got: Tensor, want: Tensor): number => {
  const [a, b] = [numbers(got), numbers(want)];
  const size = b.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!) / size), 0);
};

const run = async (engine: Engine, model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> => {
  using session = await engine.load(writeModel(model), {
    optimize: 'none',
    config: { 'session.disable_quant_qdq': '1' },
  });
  return await session.run(feeds);
};

describe.skipIf(!present).each(names)('%s (skipped without $PARE_DATA or ../shared/data)', (name) => {
  const read = () => readModelFile(join(root, `${name}.onnx`));

  it('has complete shapes', async () => {
    const { graph } = bare(modernize(await read()));
    const facts = infer(graph, { symbols: FIXED[name] ?? {} });
    const open = graph.nodes.flatMap(({ op, outputs }) =>
      outputs.flatMap((value) => {
        const dims = facts.get(value)?.dims;
        return value === '' || dims?.every((dim) => dim !== null) ? [] : [`${op} ${value} [${dims ?? '…'}]`];
      }),
    );
    expect(open).toEqual([]);
  });

  it.skipIf(!PUBLISHED[name])('costs what was published', async () => {
    const [millions, share] = PUBLISHED[name]!;
    const { macs, unknown } = costOf(modernize(await read()));
    expect(unknown).toEqual([]);
    expect(Math.abs(macs / 1e6 - millions) / millions).toBeLessThan(share);
  });

  it('keeps its outputs in today’s forms and back in its own, and computes the shapes that were inferred', async () => {
    using engine = await openEngine();
    const original = await read();
    const feeds = storedFeeds(name, original)!;
    const modern = modernize(original);
    const before = await run(engine, original, feeds);
    const { model: own } = inOwnOpset(modern);
    expect([own.ir, own.opsets]).toEqual([original.ir, original.opsets]);
    const back = await run(engine, own, feeds);
    for (const [value, want] of Object.entries(before)) expect(worst(back[value]!, want), value).toBeLessThan(1e-5);
    const facts = infer(bare(modern).graph, { symbols: symbolsOf(modern, feeds) });
    // Forty inner values, spread over the graph, become outputs as well.
    const inner = modern.graph.nodes.flatMap(({ outputs }) => outputs.filter((value) => value !== ''));
    const step = Math.max(1, Math.floor(inner.length / 40));
    const shown = inner.filter((value, i) => i % step === 0 && before[value] === undefined);
    const outputs = [
      ...modern.graph.outputs,
      ...shown.map((value) => ({ name: value, type: typeOf(facts.get(value)!) })),
    ];
    const after = await run(engine, { ...modern, graph: { ...modern.graph, outputs } }, feeds);
    for (const [value, want] of Object.entries(before))
      expect(worst(after[value]!, want), value).toBeLessThan(want.dtype === 'float16' ? 1e-2 : 1e-4);
    for (const [value, { dims, dtype }] of Object.entries(after)) {
      expect({ dims: facts.get(value)?.dims, dtype: facts.get(value)?.dtype }, value).toEqual({
        dims: [...dims],
        dtype,
      });
    }
  });
});

const mapValues = <T, U>(record: Readonly<Record<string, T>>, make: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value)]));

const typeOf = ({ dtype, dims }: { dtype: Tensor['dtype']; dims: readonly (number | string | null)[] }) => ({
  kind: 'tensor' as const,
  dtype,
  dims,
});

/** Those with weights. */
const LEARNERS = names.filter((name) => !name.startsWith('light_'));
const isRounding = (name: string): boolean => name.includes('int8');

/** Of each weight, as shares of its size: rounding spoils short nudges, curvature and kinks spoil long ones. */
const NUDGES = [5e-6, 2e-5];

describe.skipIf(!present).each(LEARNERS)('%s, learning', (name) => {
  it('has slopes that agree with central differences along ten directions', { timeout: 240_000 }, async () => {
    using engine = await openEngine();
    const { model } = withMasters(modernize(await readModelFile(join(root, `${name}.onnx`))));
    const feeds = mapValues(storedFeeds(name, model)!, widened);
    const facts = infer(model.graph, { symbols: symbolsOf(model, feeds) });
    const source = random(3, name);
    // Loss = Σ c · first output.
    const building = draft(model.graph, facts);
    const { g } = building;
    const output = g.of(model.graph.outputs[0]!.name);
    const c = Float32Array.from({ length: sizeOf(output.dims) }, () => source.normal());
    const loss = g.ReduceSum(g.Mul(output, g.constant(tensor('float32', output.dims, c))), { keepdims: 0 });
    const whole = building.finish([{ name: loss.name, type: typeOf(loss) }]);
    // Silero takes roots of spectra that are almost 0: a nudge of their basis says nothing about a slope there.
    // Steps of integers stay as they are: the estimate is of what they measure.
    const steps = stepsOf(model.graph);
    const weights = [...model.graph.initializers].filter(
      ([weight, { dtype, dims }]) =>
        dtype === 'float32' && sizeOf(dims) > 1 && !weight.includes('stft') && !steps.has(weight),
    );
    const { graph, slopes } = differentiate(
      whole,
      loss.name,
      weights.map(([weight]) => weight),
      infer(whole, { symbols: symbolsOf(model, feeds) }),
    );
    const ready = expand(
      graph,
      infer(graph, { symbols: symbolsOf(model, feeds) }),
      ({ domain }) => domain === OWN_DOMAIN,
    );
    const wanted = [...new Set(slopes.values())].map((value) => ({
      name: value,
      type: { kind: 'tensor' as const, dtype: 'float32' as const },
    }));
    const learned = await run(engine, { ...model, graph: removeDead({ ...ready, outputs: wanted }) }, feeds);
    const rooted = weights.filter(([weight]) => slopes.has(weight));
    expect(rooted.length).toBeGreaterThan(0);
    // Weights as inputs: one session answers for all of them, wherever they have moved.
    const still = new Map(model.graph.initializers);
    for (const [weight] of rooted) still.delete(weight);
    const inputs = [
      ...feedsOf(model.graph),
      ...rooted.map(([weight, { dims, dtype }]) => valueInfo(weight, dtype, dims)),
    ];
    const first = model.graph.outputs.slice(0, 1);
    const movable = { ...model.graph, inputs, outputs: first, initializers: still };
    const load = (graph: Graph) =>
      engine.load(writeModel({ ...model, graph: removeDead(graph) }), { optimize: 'none' });
    using rounding = isRounding(name) ? await load(movable) : undefined;
    // A rounding's slope is that of a clamp beside it: nudged is the float model which does in this run what integers do.
    const smooth = async (): Promise<Graph> => {
      const outputs = roundings(model.graph).map((value) => ({ name: value, type: typeOf(facts.get(value)!) }));
      return smoothed(movable, {
        ...(await run(engine, { ...model, graph: { ...model.graph, outputs } }, feeds)),
        ...Object.fromEntries(model.graph.initializers),
      });
    };
    using session = await load(rounding ? await smooth() : movable);
    /** The loss with each weight `by` times its step further on, summed in float64. */
    const lossAt = async (
      by: number,
      step: ReadonlyMap<string, Float32Array>,
      nudged: Session = session,
    ): Promise<number> => {
      const moved = rooted.map(([weight, t]): [string, Tensor] => {
        const [at, to] = [floats(t).slice(), step.get(weight)!];
        for (let i = 0; i < at.length; i++) at[i]! += by * to[i]!;
        return [weight, tensor('float32', t.dims, at)];
      });
      const result = await nudged.run({ ...feeds, ...Object.fromEntries(moved) });
      return floats(result[first[0]!.name]!).reduce((sum, y, i) => sum + y * c[i]!, 0);
    };
    const slopeOf = new Map(rooted.map(([weight]) => [weight, floats(learned[slopes.get(weight)!]!)]));
    for (let round = 0; round < 10; round++) {
      // Each element moves in proportion to its size (a variance must not become negative), each weight as a whole more
      // or less than others; three elements of four move uphill, so that the slope stands out from the rounding of
      // float32 and from the kinks of ReLUs and pools, which a nudge crosses both ways.
      const step = new Map(
        rooted.map(([weight, t]) => {
          const [at, slope] = [floats(t), slopeOf.get(weight)!];
          const gain = Math.exp(source.normal());
          const to = at.map((x, i) => {
            const [size, isUphill] = [2 * source.uniform(), source.uniform() < 0.75];
            return gain * size * (Math.abs(x) + 1e-3) * (slope[i]! < 0 === isUphill ? -1 : 1);
          });
          return [weight, to] as const;
        }),
      );
      const told = rooted.reduce((sum, [weight]) => {
        const slope = slopeOf.get(weight)!;
        return sum + step.get(weight)!.reduce((part, d, i) => part + d * slope[i]!, 0);
      }, 0);
      const differences: number[] = [];
      for (const by of NUDGES) differences.push(((await lossAt(by, step)) - (await lossAt(-by, step))) / (2 * by));
      const seen = differences.reduce((sum, one) => sum + one, 0) / NUDGES.length;
      expect(Math.abs(told - seen) / Math.abs(seen), `told ${told}, seen ${seen}`).toBeLessThan(0.02);
    }

    // A step down the slope, each element in proportion to its size, lowers the loss by about what the slope says.
    const steep = rooted.reduce((sum, [weight, t]) => {
      const at = floats(t);
      return sum + slopeOf.get(weight)!.reduce((part, d, i) => part + d * d * (Math.abs(at[i]!) + 1e-3), 0);
    }, 0);
    const down = new Map(
      rooted.map(([weight, t]) => {
        const at = floats(t);
        return [weight, slopeOf.get(weight)!.map((slope, i) => -slope * (Math.abs(at[i]!) + 1e-3))] as const;
      }),
    );
    const before = await lossAt(0, down, rounding);
    let by = (1e-3 * Math.max(Math.abs(before), 1)) / steep;
    // Integers do not move until a step takes them more than half way to the next, and the first that do may be few.
    for (let longer = 0; rounding && longer < 20 && (await lossAt(by, down, rounding)) >= before; longer++) by *= 2;
    expect(await lossAt(by, down, rounding)).toBeLessThan(before);
  });
});
