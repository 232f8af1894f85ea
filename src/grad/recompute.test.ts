/** A repeated forward pass changes nothing but when values are held. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from '../base/random.ts';
import { inMemory } from '../data/dataset.ts';
import { consumers, producers } from '../graph/edit.ts';
import type { Graph, Model, Node } from '../graph/model.ts';
import { floats } from '../graph/tensor.ts';
import * as nn from '../nn/index.ts';
import { type Engine, openEngine } from '../runtime/index.ts';
import { crossEntropy, fit, sgd } from '../train/index.ts';
import { stepGraph } from '../train/program.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
});
afterAll(() => engine[Symbol.dispose]());

const models: Record<string, Model> = {
  'dense layers with dropout': nn.sequential(
    [nn.dense(16), nn.relu(), nn.dropout(0.3), nn.dense(16), nn.tanh(), nn.dense(16), nn.gelu(), nn.classifier(3)],
    { input: [12] },
  ),
  'a residual network with batch statistics': nn.resnetCifar({ depth: 14, width: 4, classes: 3, input: [3, 2, 2] }),
  'a transformer': nn.transformerEncoder({
    length: 4,
    features: 3,
    width: 8,
    heads: 2,
    layers: 3,
    classes: 3,
    dropout: 0.1,
  }),
  'a recurrent network': nn.sequential([nn.lstm(5), nn.gru(5, { returns: 'last' }), nn.classifier(3)], {
    input: [4, 3],
  }),
};
const samplesFor = ({ graph }: Model) => {
  const type = graph.inputs[0]!.type;
  const dims = type?.kind === 'tensor' ? (type.dims!.slice(1) as number[]) : [];
  const source = random(2, 'samples');
  const size = dims.reduce((n, dim) => n * dim, 1);
  return inMemory({
    name: 'samples',
    inputs: { x: { dtype: 'float32', dims, data: Float32Array.from({ length: 32 * size }, () => source.normal()) } },
    labels: { dtype: 'int64', dims: [], data: Int32Array.from({ length: 32 }, (_, i) => i % 3) },
  });
};

describe('recompute', () => {
  it.each(Object.entries(models))('learns the same weights of %s', async (_, model) => {
    const data = samplesFor(model);
    const options = { epochs: 2, batch: 8, optimizer: sgd({ lr: 0.05, momentum: 0.9 }) };
    const plain = await fit(model, data, options, { engine });
    const again = await fit(model, data, { ...options, recompute: true }, { engine });
    for (const [name, before] of plain.model.graph.initializers) {
      if (before.dtype !== 'float32') continue;
      const after = floats(again.model.graph.initializers.get(name)!);
      floats(before).forEach((value, i) => {
        expect(after[i], name).toBeCloseTo(value, 5);
      });
    }
  });

  it('leaves most activations to nobody but the forward pass', () => {
    const model = models['a residual network with batch statistics']!;
    const options = { loss: crossEntropy(), batch: 8, samples: { x: [3, 2, 2] } };
    const longLived = (graph: Graph): number => {
      const made = producers(graph);
      const place = new Map(graph.nodes.map((node, i) => [node, i]));
      const readBy = consumers(graph);
      const isLeaf = (node: Node): boolean => node.outputs.every((name) => !readBy.has(name));
      // Values that live over more than a third of the graph: what is kept from the forward pass for the slopes. (Leaves stand apart.)
      return [...readBy].filter(([name, readers]) => {
        const maker = made.get(name);
        return (
          maker &&
          readers.some((reader) => !isLeaf(reader) && place.get(reader)! - place.get(maker)! > graph.nodes.length / 3)
        );
      }).length;
    };
    const engineLess = { blockSize: 0 };
    const plain = longLived(stepGraph(model, options, engineLess).graph);
    const again = longLived(stepGraph(model, { ...options, recompute: true }, engineLess).graph);
    expect(again).toBeLessThan(plain / 2);
  });
});
