/** Layers and reference models that build graphs. */

export * from './attention.ts';
export * from './branches.ts';
export * from './convolutions.ts';
export * from './initializer.ts';
export {
  type BuildOptions,
  chainLayers,
  type FunctionalOptions,
  functional,
  type Layer,
  type Making,
  opsetOf,
  sequential,
} from './layer.ts';
export * from './layers.ts';
export { answerOf, givesChoice, logitsOf } from './logits.ts';
export { lenet } from './model/lenet.ts';
export { mlp } from './model/mlp.ts';
export { mobilenetV2 } from './model/mobilenet.ts';
export { resnet, resnetCifar } from './model/resnet.ts';
export { type SeedCnnOptions, seedCnn } from './model/seed-cnn.ts';
export {
  type LstmClassifierOptions,
  lstmClassifier,
  type SequenceOptions,
  type TransformerEncoderOptions,
  transformerEncoder,
} from './model/sequence.ts';
export { type VggOptions, vgg } from './model/vgg.ts';
export { type VitOptions, vit } from './model/vit.ts';
export { buildNetwork, type LayerWords, type NetworkWords, networkNamed, networkNames, type Suits } from './network.ts';
export * from './norms.ts';
export * from './recurrent.ts';
