import fc from 'fast-check';
import { expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/index.ts';
import { valueInfo } from '../graph/edit.ts';
import type { Model } from '../graph/model.ts';
import { elements, float32, sizeOf } from '../graph/tensor.ts';
import { writeModel } from '../onnx/write.ts';
import { draft } from '../ops/builder.ts';
import { infer } from '../ops/infer.ts';
import { modelFrom } from '../ops/model-of.ts';
import { openEngine } from '../runtime/index.ts';
import { planOf } from './plan.ts';
import { quantize } from './quantize.ts';
import { strippedLayers } from './strips.ts';

interface Layer {
  readonly filters: number;
  readonly kernel: readonly [number, number];
  readonly strides?: readonly number[];
  readonly pads?: readonly number[];
  readonly group?: number;
  readonly auto_pad?: string;
}

/** Convolutions in a row, each with a bias and a ReLU. */
function chain(input: readonly [number, number, number], layers: readonly Layer[]): Model {
  const source = random(3, 'strips');
  const { g, finish } = draft();
  const noise = (dims: readonly number[]) =>
    g.constant(
      float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => source.normal() / 4),
      ),
      'w',
    );
  let x = g.input('x', 'float32', [2, ...input]);
  for (const { filters, kernel, ...attrs } of layers) {
    const w = noise([filters, x.dims[1]! / (attrs.group ?? 1), ...kernel]);
    x = g.Relu(g.Conv(x, w, noise([filters]), attrs));
  }
  return modelFrom(finish([valueInfo(x.name, 'float32', x.dims)]));
}

const samples = (dims: readonly number[]) => {
  const source = random(4, 'samples');
  const data = Float32Array.from({ length: 4 * sizeOf(dims) }, () => source.normal());
  return inMemory({ name: 'noise', task: 'unlabelled', inputs: { x: { dtype: 'float32', dims, data } } });
};

/** Columns of the result that each layer computes together, and columns of the input that it reads as one. */
const widths = ({ graph }: Model): (readonly [number, number] | undefined)[] => {
  const facts = infer(graph);
  const stripped = strippedLayers(graph, facts, planOf(graph, facts));
  return graph.nodes
    .filter(({ op }) => op === 'Conv')
    .map((node) => {
      const strips = stripped.get(node);
      return strips && [strips.copies.length, strips.reads];
    });
};

it('takes strips where channels are few and the kernel is wide', () => {
  const same = { kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
  const wide = { kernel: [5, 5], pads: [2, 2, 2, 2] } as const;
  expect(widths(chain([1, 28, 28], [{ filters: 8, ...wide }]))).toEqual([[4, 4]]);
  expect(widths(chain([3, 32, 32], [{ filters: 16, ...same }]))).toEqual([[4, 4]]);
  expect(widths(chain([16, 32, 32], [{ filters: 16, ...same }]))).toEqual([[2, 1]]);
});

it('takes none where they gain nothing or do not fit', () => {
  const same = { kernel: [3, 3], pads: [1, 1, 1, 1] } as const;
  const without = (input: readonly [number, number, number], layer: Layer) =>
    expect(widths(chain(input, [layer]))).toEqual([undefined]);
  without([64, 8, 8], { filters: 64, ...same });
  without([16, 32, 32], { filters: 16, kernel: [1, 1] });
  without([16, 32, 31], { filters: 16, ...same });
  without([16, 32, 32], { filters: 16, group: 16, ...same });
});

it('leaves the engine nothing of it but views', async () => {
  using engine = await openEngine({ threads: 1 });
  const model = chain(
    [16, 32, 32],
    [
      { filters: 16, kernel: [3, 3], pads: [1, 1, 1, 1] },
      { filters: 16, kernel: [3, 3], pads: [1, 1, 1, 1] },
    ],
  );
  const data = samples([16, 32, 32]);
  const { model: written } = await quantize(model, { data, strips: true, pairSafe: false }, { engine });
  expect(written.graph.nodes.filter(({ op }) => op === 'Concat')).toHaveLength(2);
  using session = await engine.load(writeModel(written), { threads: 1, profile: true });
  await session.run({ x: float32([2, 16, 32, 32], new Float32Array(2 * 16 * 1024)) });
  const ran = session.profile!().flatMap(({ op }) => op ?? []);
  expect(ran.filter((op) => op === 'Transpose').length).toBeLessThanOrEqual(2); // into and out of channels last
  expect(ran).not.toContain('Pad');
  expect(ran).not.toContain('Concat');
});

it('changes no answer, whatever the geometry, bits and scales', async () => {
  using engine = await openEngine({ threads: 1 });
  let stripped = 0;
  const layer = fc.record({
    filters: fc.constantFrom(4, 8, 12, 16),
    kernel: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 2, max: 5 })),
    strides: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    pads: fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 2, 3, 4, 6, 8, 16),
      fc.constantFrom(48, 51, 56, 60),
      fc.array(layer, { minLength: 1, maxLength: 2 }),
      fc.constantFrom({}, { perChannel: false }, { weightBits: 4 }),
      async (channels, width, layers, options) => {
        const model = chain([channels, 40, width], layers);
        stripped += widths(model).filter((each) => each).length;
        const how = { data: samples([channels, 40, width]), pairSafe: false, ...options };
        const [plain, over] = [
          await quantize(model, { ...how, strips: false }, { engine }),
          await quantize(model, { ...how, strips: true }, { engine }),
        ];
        const answers = [];
        for (const { model: written } of [plain, over]) {
          using session = await engine.load(writeModel(written), { threads: 1 });
          const x = float32([2, channels, 40, width], noiseOf(2 * channels * 40 * width));
          const outputs = await session.run({ x });
          answers.push(elements(Object.values(outputs)[0]!));
        }
        expect(answers[1]).toEqual(answers[0]);
      },
    ),
    { numRuns: 25, seed: 11 },
  );
  expect(stripped).toBeGreaterThan(15);
});

const noiseOf = (count: number): Float32Array => {
  const source = random(5, 'answers');
  return Float32Array.from({ length: count }, () => source.normal());
};
