/**
 * Weights of 2, 4 or 8 bits in blocks, activations in floats: for models whose speed is the speed of reading weights
 * (decoders, one row at a time). The engine's kernel is MatMulNBits.
 */

import { PareError } from '../base/error.ts';
import { pick } from '../base/suggest.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Model } from '../graph/model.ts';
import { type Tensor, tensorBytes } from '../graph/tensor.ts';
import { modelBytes } from '../onnx/write.ts';
import { withoutSpare } from '../ops/spare-attributes.ts';
import { type Lab, openProduct, stopIfAborted } from '../runtime/index.ts';
import { scaleForBlocks } from './awq.ts';
import { type BlockForm, blockForms, type StoredBlocks } from './block-forms.ts';
import { type BlockedMethod, type BlockedMethodName, blockedMethods } from './blocked/index.ts';
import type { BlockBits, BlockShape } from './blocks.ts';
import { chooseSamples } from './calibrated.ts';
import type { WeightReport } from './dynamic.ts';
import { quantizeEmbeddings } from './embeddings.ts';
import { inFloat32, storedAsBefore } from './in-float32.ts';
import {
  joined,
  type MatrixLayer,
  type MatrixOptions,
  matrixLayersOf,
  prepareMatrices,
  replaceMatrixLayers,
} from './matrix-layers.ts';
import { secondMoments } from './moments.ts';
import { settleWeights } from './settle-weights.ts';
import { parametersOf } from './size.ts';

export interface WeightOnlyOptions extends MatrixOptions {
  /** Default 4. */
  bits?: BlockBits;
  /** Weights that share a scale: 16, 32, 64, 128 or 256. Default 32; 128 is smaller and faster, and less exact. */
  block?: number;
  /** Codes symmetric about 0, so that no zero points are stored. Default: what the method likes. */
  symmetric?: boolean;
  /** How codes are chosen. Default `nearest`. */
  method?: BlockedMethodName;
  /** Samples for the methods that look at what layers read; labels are not needed. */
  data?: Dataset;
  /** How many of them. Default 128. */
  samples?: number;
  /** 4: the engine may compute in int8, which is up to 40 times faster on a CPU; 0: in float32. Default 4. */
  accuracyLevel?: 0 | 1 | 4;
  /** Standard ONNX alone: blocks behind DequantizeLinear (opset 21) instead of MatMulNBits; 4 and 8 bits. Default false. */
  standard?: boolean;
  /** Embedding tables too, in 4 bits (GatherBlockQuantized). Default false. */
  embeddings?: boolean;
}

const SIZES = [16, 32, 64, 128, 256];

/** Bytes of second moments that are kept at a time. */
const ROOM = 2 ** 28;

/**
 * Stores the matrix of every dense layer in few bits.
 *
 * Memory   the weights, in floats and in codes, and 256 MB of what samples show (or one layer's share, if that is more).
 * Throws   quantize/block for a block size that the engine does not have; quantize/bits for bits that the form has no type for;
 *          quantize/data when the method needs samples and there are none; option/unknown; work/aborted.
 */
export async function quantizeWeights(
  original: Model,
  options: WeightOnlyOptions,
  lab: Lab,
): Promise<{ model: Model; report: WeightReport }> {
  const { bits = 4, block: size = 32, method = 'nearest', accuracyLevel = 4 } = options;
  const by: BlockedMethod = pick<BlockedMethod>(blockedMethods, method, 'way to choose codes');
  const form: BlockForm = blockForms[options.standard ? 'standard' : 'kernel'];
  const symmetric = options.symmetric ?? by.isSymmetric;
  if (!SIZES.includes(size)) {
    throw new PareError('quantize/block', `Blocks of ${size} weights cannot be stored.`, {
      expected: SIZES.join(', '),
      got: `${size}`,
    });
  }
  if (!form.bits.includes(bits)) {
    throw new PareError(
      'quantize/bits',
      `${options.standard ? 'Standard ONNX of opset 21' : 'The engine'} has no blocks of ${bits} bits.`,
      {
        expected: form.bits.join(', '),
        got: `${bits}`,
      },
    );
  }
  if ((by.learn || by.scalesInputs) && !options.data) {
    throw new PareError('quantize/data', `${method} looks at what layers read and needs samples.`, {
      expected: 'data; labels are not needed',
      hint: 'give data, or take nearest or hqq',
    });
  }
  const prepared = prepareMatrices(await settleWeights(inFloat32(original), lab));
  const model = by.scalesInputs
    ? scaleForBlocks(prepared, await squaresFor(prepared, options, lab), { bits, size, symmetric }, options)
    : prepared;
  const shapeOf = ({ K, N }: MatrixLayer): BlockShape => ({ K, N, bits, size });
  const stored = new Map<string, StoredBlocks>();
  await eachLayer(model, by, options, lab, async (layer, round) => {
    const shape = shapeOf(layer);
    stored.set(layer.weight, form.store(await round(shape, symmetric), shape));
  });
  const done = replaceMatrixLayers(
    model,
    (layer, pen) => {
      const { weight, K, N } = layer;
      const { codes, scales, zeros } = stored.get(weight)!;
      if (tensorBytes(codes) + tensorBytes(scales) >= 4 * K * N) return false;
      const constant = (suffix: string, value: Tensor): string =>
        pen[form.isLocal ? 'local' : 'shared'](`${weight}_${suffix}`, () => value);
      const constants = [
        constant(`Q${bits}`, codes),
        constant('scales', scales),
        ...(zeros ? [constant('zero_points', zeros)] : []),
      ];
      form.write(layer, constants, shapeOf(layer), accuracyLevel, pen);
      return true;
    },
    options,
  );
  const dense: Model = { ...done.model, opsets: { ...done.model.opsets, ...form.opsets } };
  const tables = options.embeddings
    ? quantizeEmbeddings(dense, { ...options, block: size })
    : { model: dense, replaced: [] };
  const written = withoutSpare(storedAsBefore(joined(tables.model), original));
  return {
    model: written,
    report: {
      before: { bytes: modelBytes(original), parameters: parametersOf(original) },
      after: { bytes: modelBytes(written), parameters: parametersOf(original) },
      scheme: `weights of ${bits} bits (${method}, blocks of ${size}${symmetric ? '' : ', zero points'})`,
      quantized: [...done.replaced, ...tables.replaced],
      kept: done.kept,
    },
  };
}

/** Shows `see` one layer for each matrix, with the way to round it; layers that read the same follow each other. */
async function eachLayer(
  model: Model,
  by: BlockedMethod,
  options: WeightOnlyOptions,
  lab: Lab,
  see: (
    layer: MatrixLayer,
    round: (shape: BlockShape, symmetric: boolean) => ReturnType<BlockedMethod['run']>,
  ) => Promise<void>,
): Promise<void> {
  // Of layers that share a matrix, one that can be watched.
  const all = matrixLayersOf(model, options).sort((a, b) => Number(b.isInside) - Number(a.isInside));
  const layers = [...new Map(all.map((layer) => [layer.weight, layer])).values()];
  using products = await openProduct(lab);
  let done = 0;
  const roundAll = async (some: readonly MatrixLayer[], learnt?: Float64Array): Promise<void> => {
    for (const layer of some) {
      await turn();
      stopIfAborted(lab.signal);
      await see(layer, (shape, symmetric) => by.run(layer.w, shape, symmetric, learnt, products.product));
      done += 1;
      lab.onProgress?.({ task: 'round weights', done, total: layers.length });
    }
  };
  const watched = by.learn ? layers.filter(({ isInside }) => !isInside) : [];
  await roundAll(layers.filter((layer) => !watched.includes(layer)));
  for (const widths of portions(watched)) {
    const moments = await momentsOf(model, widths, 'products', options, lab);
    for (const [input, K] of widths) {
      stopIfAborted(lab.signal);
      const learnt = await by.learn!(K, moments.get(input)!, products.product);
      moments.delete(input);
      await roundAll(
        watched.filter((layer) => layer.input === input),
        learnt,
      );
    }
  }
}

/** Lets whoever waits have a word. */
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** What the layers read, by name, and its width; as many together as the room takes. */
function portions(layers: readonly MatrixLayer[]): Map<string, number>[] {
  const parts: Map<string, number>[] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const [input, K] of new Map(layers.map((layer) => [layer.input, layer.K]))) {
    const bytes = 16 * K * K;
    if (used + bytes > ROOM) {
      parts.push(new Map());
      used = 0;
    }
    used += bytes;
    parts.at(-1)!.set(input, K);
  }
  return parts;
}

/** The mean square of every channel that dense layers read, by name. */
async function squaresFor(model: Model, options: WeightOnlyOptions, lab: Lab): Promise<Map<string, Float64Array>> {
  const layers = matrixLayersOf(model, options).filter(({ isInside }) => !isInside);
  if (layers.length === 0) return new Map();
  return await momentsOf(model, new Map(layers.map(({ input, K }) => [input, K])), 'squares', options, lab);
}

const momentsOf = async (
  model: Model,
  widths: ReadonlyMap<string, number>,
  of: Parameters<typeof secondMoments>[2],
  { data, samples = 128 }: WeightOnlyOptions,
  lab: Lab,
): Promise<Map<string, Float64Array>> =>
  await secondMoments(model, widths, of, data!, chooseSamples(data!, samples, lab.seed), lab);
