/**
 * A decoder of random weights that behaves like a trained one where quantising is concerned: about 101 million parameters, one token at a time,
 * with a cache.
 *
 *   tokens      mixtures of a few directions, the first ones strong: what layers read hangs together
 *   norms       one channel in a hundred is ten times as loud as the others
 *   weights     heavy tails, columns of different size; rows of loud channels are smaller
 */

import { type Random, random } from '../../src/base/random.ts';
import type { Dataset } from '../../src/data/index.ts';
import type { TypedArray } from '../../src/graph/dtype.ts';
import { valueInfo } from '../../src/graph/edit.ts';
import type { Model, ValueInfo } from '../../src/graph/model.ts';
import { float32, type Tensor } from '../../src/graph/tensor.ts';
import { draft } from '../../src/ops/builder.ts';
import type { StaticValue } from '../../src/ops/op.ts';

export const WIDTH = 832;
const HEADS = 13;
const SIZE = WIDTH / HEADS;
const HIDDEN = 4 * WIDTH;
const VOCABULARY = 2000;
const DIRECTIONS = 96;
/** Numbers that caches are cut out of. */
const POOL = 2 ** 20;
/** Loud channels: one in so many, and how much louder. */
const [RARE, LOUD] = [100, 10];

export interface Decoder {
  readonly model: Model;
  /** Tokens drawn at random, with a cache of so many steps. */
  readonly tokens: (size: number, cached: number) => Dataset;
}

export function decoder(layers: number): Decoder {
  const source = random(1, 'decoder');
  const { g, finish } = draft();
  const vector = (values: (k: number) => number): StaticValue =>
    g.constant(
      float32(
        [WIDTH],
        Float32Array.from({ length: WIDTH }, (_, k) => values(k)),
      ),
      'v',
    );
  const weight = (rows: number, columns: number, size = 1): StaticValue =>
    g.constant(float32([rows, columns], heavy(source, rows, columns, size / Math.sqrt(rows))), 'w');
  const norm = (x: StaticValue): StaticValue =>
    g.LayerNormalization(
      x,
      vector((k) => (isLoud(k) ? LOUD : 1) * (1 + 0.2 * source.normal())),
      vector(() => 0.1 * source.normal()),
    );
  const residual = 1 / Math.sqrt(2 * layers);
  const cache = (name: string): StaticValue => g.input(name, 'float32', [2, HEADS, 1, SIZE]);

  const ids = g.input('input_ids', 'int64', [2, 1]);
  const presents: ValueInfo[] = [];
  let x = g.Gather(g.constant(table(source), 'embeddings'), ids);
  for (let layer = 0; layer < layers; layer++) {
    const a = norm(x);
    const heads = (v: StaticValue) => g.Transpose(g.Reshape(v, [-1, 1, HEADS, SIZE]), { perm: [0, 2, 1, 3] });
    const query = heads(g.MatMul(a, weight(WIDTH, WIDTH)));
    const [key, value] = ['key', 'value'].map((part) => {
      const past = cache(`past_key_values.${layer}.${part}`);
      const all = g.Concat(past, heads(g.MatMul(a, weight(WIDTH, WIDTH))), { axis: 2 });
      presents.push(valueInfo(all.name, 'float32', ['N', HEADS, 'P + 1', SIZE]));
      return all;
    }) as [StaticValue, StaticValue];
    const scores = g.Mul(g.MatMul(query, g.Transpose(key, { perm: [0, 1, 3, 2] })), 1 / Math.sqrt(SIZE));
    const mixed = g.MatMul(g.Softmax(scores, { axis: 3 }), value);
    const joined = g.Reshape(g.Transpose(mixed, { perm: [0, 2, 1, 3] }), [-1, 1, WIDTH]);
    x = g.Add(x, g.MatMul(joined, weight(WIDTH, WIDTH, residual)));
    const inner = g.Gelu(g.MatMul(norm(x), weight(WIDTH, HIDDEN)));
    x = g.Add(x, g.MatMul(inner, weight(HIDDEN, WIDTH, residual)));
  }
  const logits = g.Reshape(g.MatMul(norm(x), weight(WIDTH, VOCABULARY)), [-1, VOCABULARY]);
  const graph = finish([valueInfo(logits.name, 'float32', ['N', VOCABULARY]), ...presents]);
  const inputs = graph.inputs.map(({ name }) =>
    name === 'input_ids' ? valueInfo(name, 'int64', ['N', 1]) : valueInfo(name, 'float32', ['N', HEADS, 'P', SIZE]),
  );
  return {
    model: {
      ir: 10,
      opsets: { '': 21 },
      producer: { name: '', version: '' },
      metadata: {},
      graph: { ...graph, inputs, values: new Map() },
    },
    tokens: (size, cached) => drawn(size, cached, layers),
  };
}

const isLoud = (k: number): boolean => k % RARE === 7;

/** Columns of different size, tails heavier than a normal distribution's, small rows for loud channels. */
function heavy(source: Random, rows: number, columns: number, size: number): Float32Array {
  const of = Float32Array.from({ length: columns }, () => size * Math.exp(0.3 * source.normal()));
  const w = new Float32Array(rows * columns);
  for (let k = 0, i = 0; k < rows; k++) {
    const row = rows === WIDTH && isLoud(k) ? 0.3 : 1;
    for (let n = 0; n < columns; n++, i++) {
      const x = source.normal();
      w[i] = row * of[n]! * x * Math.sqrt(Math.abs(x));
    }
  }
  return w;
}

/** Embeddings: mixtures of directions whose strength falls, and a little noise. */
function table(source: Random): Tensor {
  const directions = Float32Array.from({ length: DIRECTIONS * WIDTH }, () => source.normal());
  const x = new Float32Array(VOCABULARY * WIDTH);
  for (let v = 0; v < VOCABULARY; v++) {
    const row = x.subarray(v * WIDTH, (v + 1) * WIDTH);
    for (let k = 0; k < WIDTH; k++) row[k] = 0.1 * source.normal();
    for (let d = 0; d < DIRECTIONS; d++) {
      const share = (0.5 * source.normal()) / Math.sqrt(1 + d / 8);
      for (let k = 0; k < WIDTH; k++) row[k]! += share * directions[d * WIDTH + k]!;
    }
  }
  return float32([VOCABULARY, WIDTH], x);
}

/** Samples that are drawn when they are asked for: nothing is kept. */
function drawn(size: number, cached: number, layers: number): Dataset {
  const column = { dtype: 'float32', dims: [HEADS, cached, SIZE] } as const;
  const source = random(2, 'cache');
  const pool = Float32Array.from({ length: POOL }, () => source.normal());
  const parts = Array.from({ length: layers }, (_, layer) =>
    ['key', 'value'].map((part) => `past_key_values.${layer}.${part}`),
  );
  return {
    name: 'tokens',
    size,
    task: 'unlabelled',
    inputs: {
      input_ids: { dtype: 'int64', dims: [1] },
      ...Object.fromEntries(parts.flat().map((name) => [name, column])),
    },
    fill(name, indices, into: TypedArray) {
      const each = into.length / indices.length;
      for (let i = 0; i < indices.length; i++) {
        const from = random(indices[i]!, name).bits();
        if (name === 'input_ids') (into as BigInt64Array)[i] = BigInt(from % VOCABULARY);
        else for (let j = 0; j < each; j++) (into as Float32Array)[i * each + j] = pool[(from + j) % POOL]!;
      }
    },
  };
}
