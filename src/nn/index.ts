/** Layers and reference models that build graphs. */

export * from './initializer.ts';
export { type BuildOptions, chainLayers, type Layer, type Making, sequential } from './layer.ts';
export * from './layers.ts';
export { logitsOf } from './logits.ts';
export { mlp } from './model/mlp.ts';
export { resnetCifar } from './model/resnet.ts';
export { type SeedCnnOptions, seedCnn } from './model/seed-cnn.ts';
