/** The reference models by name, each fitted to the data's samples and classes. */

import { PareError } from '../base/error.ts';
import type { Model } from '../graph/model.ts';
import { lenet } from './model/lenet.ts';
import { mlp } from './model/mlp.ts';
import { mobilenetV2 } from './model/mobilenet.ts';
import { resnet, resnetCifar } from './model/resnet.ts';
import { seedCnn } from './model/seed-cnn.ts';
import { lstmClassifier, type SequenceOptions, transformerEncoder } from './model/sequence.ts';
import { vgg } from './model/vgg.ts';
import { vit } from './model/vit.ts';
import type { Suits, Words } from './network.ts';

type Make = (suits: Common, options: Readonly<Record<string, unknown>>) => Model;
interface Common {
  readonly input: readonly [number, number, number];
  readonly classes: number;
  readonly seed: number;
}

const misfit = (expected: string, { input }: Suits): PareError =>
  new PareError('network/shape', 'The data does not suit this model.', { expected, got: `[${input.join(', ')}]` });

/** A model of images [C, H, W]; grey images without a channel axis get one. */
const ofImages = (make: Make, options: readonly string[] = []): Words<Model> => ({
  operands: [],
  options,
  make: (_, given, suits) => {
    const { input, outputs: classes, seed = 0 } = suits;
    if (input.length !== 3) throw misfit('images [channels, height, width]', suits);
    return make({ input: input as [number, number, number], classes, seed }, given);
  },
});

/** A model of token ids [T], or of steps [T, features] (a series of single numbers has one feature). */
const ofSequences = (make: (options: SequenceOptions) => Model, options: readonly string[]): Words<Model> => ({
  operands: [],
  options,
  make: (_, given, suits) => {
    const { input, tokens, outputs: classes, seed = 0 } = suits;
    const [length, features] = input;
    if (length === undefined || input.length > 2 || (tokens === undefined && features === undefined)) {
      throw misfit('token ids [steps], or steps [steps, features]', suits);
    }
    return make({ length, ...(tokens === undefined ? { features: features! } : { tokens }), classes, seed, ...given });
  },
});

const RECURRENT = ['hidden', 'width', 'bidirectional', 'dropout', 'padding'];
/** Halvings that a side survives. */
const halvings = (input: readonly number[]): number => Math.floor(Math.log2(Math.min(input[1]!, input[2]!)));
/** Images below this side get small patches and a small transformer. */
const SMALL_SIDE = 64;

export const MODELS: Readonly<Record<string, Words<Model>>> = {
  seedCnn: ofImages((common, options) => seedCnn({ ...common, ...options }), ['filters', 'units']),
  lenet: ofImages((common) => lenet(common)),
  resnet20: ofImages((common, options) => resnetCifar({ depth: 20, ...common, ...options }), ['width']),
  resnet32: ofImages((common, options) => resnetCifar({ depth: 32, ...common, ...options }), ['width']),
  resnet56: ofImages((common, options) => resnetCifar({ depth: 56, ...common, ...options }), ['width']),
  resnet18: ofImages((common) => resnet({ depth: 18, ...common })),
  resnet50: ofImages((common) => resnet({ depth: 50, ...common })),
  mobilenetV2: ofImages((common, options) => mobilenetV2({ ...common, ...options }), ['width', 'dropout']),
  vgg: ofImages(
    (common, options) => {
      const stages = [[64], [128], [256, 256], [512, 512], [512, 512]].slice(0, halvings(common.input));
      return vgg({ stages, ...common, ...options });
    },
    ['stages', 'hidden', 'batchNorm'],
  ),
  vit: ofImages(
    (common, options) => {
      const isSmall = Math.max(common.input[1], common.input[2]) < SMALL_SIDE;
      return vit({ ...(isSmall && { patch: 4, width: 128, heads: 4, layers: 4 }), ...common, ...options });
    },
    ['patch', 'width', 'heads', 'layers', 'hidden', 'pool', 'dropout'],
  ),
  mlp: {
    operands: [],
    options: ['units'],
    make: (_, { units = [128, 64] }, { input, outputs: classes, seed = 0 }) =>
      mlp({ input, units: units as number[], classes, seed }),
  },
  lstmClassifier: ofSequences((options) => lstmClassifier(options), RECURRENT),
  gruClassifier: ofSequences((options) => lstmClassifier({ ...options, cell: 'gru' }), RECURRENT),
  transformerEncoder: ofSequences(
    (options) => transformerEncoder(options),
    ['width', 'heads', 'layers', 'hidden', 'norm', 'activation', 'positions', 'dropout', 'padding'],
  ),
};
