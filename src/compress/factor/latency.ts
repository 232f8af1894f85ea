/** Is the chain really faster than the layer? Both are run by the engine, in turns. */

import type { Model } from '../../graph/model.ts';
import { float32, sizeOf, zeros } from '../../graph/tensor.ts';
import { writeModel } from '../../onnx/index.ts';
import { draft } from '../../ops/builder.ts';
import { modelOf } from '../../ops/model-of.ts';
import { type Lab, measure } from '../../runtime/index.ts';
import { type Layer, whole } from './layer.ts';
import type { Factor } from './scheme.ts';

const ROUNDS = 15;

/** Time of the chain over the time of the layer, on one sample: the median over interleaved rounds. */
export async function timeChain(layer: Layer, factors: readonly Factor[], lab: Lab): Promise<number> {
  const options = lab.threads ? { threads: lab.threads } : {};
  using before = await lab.engine.load(writeModel(chainModel(layer, [{ ...whole(layer), W: layer.W }])), options);
  using after = await lab.engine.load(writeModel(chainModel(layer, factors)), options);
  const feeds = { x: zeros('float32', inputDims(layer)) };
  const [, chain] = await measure(
    [before, after].map((session, i) => ({
      name: i === 0 ? 'layer' : 'chain',
      run: async () => void (await session.run(feeds)),
    })),
    { rounds: ROUNDS, ...(lab.signal && { signal: lab.signal }) },
  );
  return chain!.ratio;
}

const inputDims = ({ kind, inputs, size, rows }: Layer): number[] =>
  kind === 'conv' ? [1, inputs, ...size] : [rows, inputs];

function chainModel(layer: Layer, factors: readonly Factor[]): Model {
  const { g, finish } = draft();
  let y = g.input('x', 'float32', inputDims(layer));
  for (const { W, dims, group = 1, strides, pads, dilations } of factors) {
    const weight = g.constant(float32(dims, W), 'W');
    y =
      layer.kind === 'conv'
        ? g.Conv(y, weight, { kernel_shape: dims.slice(2), group, strides, pads, dilations })
        : g.Gemm(y, g.constant(float32([dims[0]!, sizeOf(dims.slice(1))], W), 'W'), { transB: 1 });
  }
  return modelOf({ finish }, y);
}
