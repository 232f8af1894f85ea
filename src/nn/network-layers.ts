/** The layers that a network in words may have, by name. */

import { learnedPositions, multiHeadAttention, sinusoidalPositions, transformerBlock } from './attention.ts';
import { branches, embedding, meanOverSteps, permute, reshape } from './branches.ts';
import { averagePool1d, conv1d, convTranspose2d, depthwiseConv2d, maxPool1d } from './convolutions.ts';
import { constant, gaussian, glorotUniform, heNormal } from './initializer.ts';
import type { Layer } from './layer.ts';
import * as nn from './layers.ts';
import type { Words } from './network.ts';
import { groupNorm, layerNorm, rmsNorm } from './norms.ts';
import { gru, lstm, simpleRnn } from './recurrent.ts';

/** Initialisers by name, where a layer's options name one. */
const INITS = { heNormal, glorotUniform, normal: gaussian(0.02), zeros: constant(0) } as const;

/** A layer whose function takes its operands in order, then its options. */
const row = (
  make: (...operands: never[]) => Layer,
  operands: readonly string[] = [],
  options: readonly string[] = [],
): Words<Layer> => ({
  operands,
  options,
  make: (given, { init, ...rest }) => {
    const chosen = typeof init === 'string' && init in INITS ? { init: INITS[init as keyof typeof INITS] } : {};
    const all = { ...rest, ...chosen };
    const call = make as unknown as (...all: unknown[]) => Layer;
    return options.length > 0 ? call(...given, all) : call(...given);
  },
});

const CONV = ['stride', 'pad', 'dilation', 'groups', 'bias', 'init'];
const POOL = ['stride', 'pad'];
const RECURRENT = ['bidirectional', 'returns'];

export const LAYERS: Readonly<Record<string, Words<Layer>>> = {
  dense: row(nn.dense, ['units'], ['bias', 'init']),
  /** Dense, as many units as the data has classes (or numbers to predict). */
  classifier: {
    operands: ['units?'],
    options: [],
    make: ([units], _, { outputs }) => nn.classifier((units as number | undefined) ?? outputs),
  },
  conv1d: row(conv1d, ['filters', 'kernel'], CONV),
  conv2d: row(nn.conv2d, ['filters', 'kernel'], CONV),
  depthwiseConv2d: row(depthwiseConv2d, ['kernel'], ['multiplier', ...CONV.filter((name) => name !== 'groups')]),
  convTranspose2d: row(convTranspose2d, ['filters', 'kernel'], ['stride', 'pad', 'outputPad', 'bias', 'init']),
  maxPool1d: row(maxPool1d, ['size'], POOL),
  maxPool2d: row(nn.maxPool2d, ['size'], POOL),
  averagePool1d: row(averagePool1d, ['size'], POOL),
  averagePool2d: row(nn.averagePool2d, ['size'], ['stride']),
  globalAveragePool: row(nn.globalAveragePool),
  batchNorm: row(nn.batchNorm, [], ['epsilon', 'momentum']),
  layerNorm: row(layerNorm, [], ['epsilon']),
  groupNorm: row(groupNorm, ['groups'], ['epsilon']),
  rmsNorm: row(rmsNorm, [], ['epsilon']),
  relu: row(nn.relu),
  relu6: row(nn.relu6),
  leakyRelu: row(nn.leakyRelu),
  gelu: row(nn.gelu),
  sigmoid: row(nn.sigmoid),
  tanh: row(nn.tanh),
  softmax: row(nn.softmax),
  dropout: row(nn.dropout, ['share?']),
  flatten: row(nn.flatten),
  reshape: row((dims: readonly number[]) => reshape(dims), ['dims']),
  permute: row((axes: readonly number[]) => permute(...axes), ['axes']),
  meanOverSteps: row(meanOverSteps),
  /** As many rows as the data has tokens. */
  embedding: {
    operands: ['width', 'tokens?'],
    options: [],
    make: ([width, tokens], _, suits) =>
      embedding((tokens as number | undefined) ?? suits.tokens ?? 0, width as number),
  },
  simpleRnn: row(simpleRnn, ['hidden'], RECURRENT),
  lstm: row(lstm, ['hidden'], RECURRENT),
  gru: row(gru, ['hidden'], RECURRENT),
  multiHeadAttention: row(multiHeadAttention, ['heads'], ['causal', 'dropout']),
  transformerBlock: {
    operands: [],
    options: ['heads', 'hidden', 'activation', 'norm', 'dropout', 'causal'],
    make: (_, options) => transformerBlock({ heads: 4, ...options }),
  },
  learnedPositions: row(learnedPositions, [], ['deviation']),
  sinusoidalPositions: row(sinusoidalPositions),
  /** x + f(x), or short(x) + f(x). */
  residual: row(nn.residual, ['f', 'short?']),
  /** Several lists of layers, side by side along the channels. */
  branches: { operands: ['a', 'b', 'c?', 'd?'], options: [], make: (layers) => branches(layers as Layer[]) },
};
