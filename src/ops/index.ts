/** The table of ops. A family's rows are spread in; a new row is known everywhere from then on. */

import type { Node } from '../graph/model.ts';
import * as activation from './activation.ts';
import * as arithmetic from './arithmetic.ts';
import * as attention from './attention.ts';
import * as batchNorm from './batch-norm.ts';
import * as cast from './cast.ts';
import * as channel from './channel.ts';
import * as col2im from './col2im.ts';
import * as composite from './composite.ts';
import * as constant from './constant.ts';
import * as control from './control.ts';
import * as conv from './conv.ts';
import * as deformConv from './deform-conv.ts';
import * as depthSpace from './depth-space.ts';
import * as det from './det.ts';
import * as detach from './detach.ts';
import * as dropout from './dropout.ts';
import * as einsum from './einsum.ts';
import * as fakeQuantize from './fake-quantize.ts';
import * as gather from './gather.ts';
import * as gridSample from './grid-sample.ts';
import * as gru from './gru.ts';
import * as image from './image.ts';
import * as integer from './integer.ts';
import * as join from './join.ts';
import * as layerNorm from './layer-norm.ts';
import * as logic from './logic.ts';
import * as lstm from './lstm.ts';
import * as matmul from './matmul.ts';
import * as microsoftAttention from './microsoft/attention.ts';
import * as microsoftBlocked from './microsoft/blocked.ts';
import * as microsoftFused from './microsoft/fused.ts';
import * as microsoftGelu from './microsoft/gelu.ts';
import * as microsoftGroupQuery from './microsoft/group-query-attention.ts';
import * as microsoftInteger from './microsoft/integer.ts';
import * as microsoftIntegerMatmul from './microsoft/integer-matmul.ts';
import * as microsoftIntegerPool from './microsoft/integer-pool.ts';
import * as microsoftNorm from './microsoft/norm.ts';
import * as microsoftRecurrent from './microsoft/recurrent.ts';
import * as ml from './ml.ts';
import * as nchwc from './nchwc.ts';
import * as norm from './norm.ts';
import type { Row } from './op.ts';
import * as order from './order.ts';
import * as pad from './pad.ts';
import * as pool from './pool.ts';
import * as quant from './quant.ts';
import * as random from './random.ts';
import * as rankSum from './rank-sum.ts';
import * as reduce from './reduce.ts';
import * as repeat from './repeat.ts';
import * as reshape from './reshape.ts';
import * as resize from './resize.ts';
import * as rnn from './rnn.ts';
import * as roi from './roi.ts';
import * as scatter from './scatter.ts';
import * as signal from './signal.ts';
import * as slice from './slice.ts';
import * as strings from './strings.ts';
import * as trigonometric from './trigonometric.ts';

const families = {
  ...channel,
  ...strings,
  ...signal,
  ...image,
  ...deformConv,
  ...roi,
  ...det,
  ...gridSample,
  ...col2im,
  ...integer,
  ...attention,
  ...rnn,
  ...gru,
  ...lstm,
  ...control,
  ...random,
  ...einsum,
  ...order,
  ...depthSpace,
  ...layerNorm,
  ...detach,
  ...dropout,
  ...batchNorm,
  ...trigonometric,
  ...cast,
  ...logic,
  ...activation,
  ...arithmetic,
  ...composite,
  ...constant,
  ...conv,
  ...gather,
  ...join,
  ...matmul,
  ...norm,
  ...pad,
  ...pool,
  ...quant,
  ...fakeQuantize,
  ...reduce,
  ...repeat,
  ...reshape,
  ...resize,
  ...scatter,
  ...slice,
};

/** The names under which the builder offers ops: names only, so that rows may be typed by what they themselves build with. */
export type OpName =
  | keyof typeof strings
  | keyof typeof signal
  | keyof typeof image
  | keyof typeof deformConv
  | keyof typeof roi
  | keyof typeof det
  | keyof typeof gridSample
  | keyof typeof col2im
  | keyof typeof integer
  | keyof typeof attention
  | keyof typeof rnn
  | keyof typeof gru
  | keyof typeof lstm
  | keyof typeof control
  | keyof typeof random
  | keyof typeof einsum
  | keyof typeof order
  | keyof typeof depthSpace
  | keyof typeof layerNorm
  | keyof typeof detach
  | keyof typeof dropout
  | keyof typeof batchNorm
  | keyof typeof trigonometric
  | keyof typeof cast
  | keyof typeof logic
  | keyof typeof activation
  | keyof typeof arithmetic
  | keyof typeof composite
  | keyof typeof constant
  | keyof typeof conv
  | keyof typeof gather
  | keyof typeof join
  | keyof typeof matmul
  | keyof typeof norm
  | keyof typeof pad
  | keyof typeof pool
  | keyof typeof quant
  | keyof typeof fakeQuantize
  | keyof typeof reduce
  | keyof typeof repeat
  | keyof typeof reshape
  | keyof typeof resize
  | keyof typeof scatter
  | keyof typeof slice;

/** Rows of other domains, some of which share a name with an op of ai.onnx: known by domain and type alone. */
const foreign = [
  nchwc,
  microsoftAttention,
  microsoftBlocked,
  microsoftFused,
  microsoftGelu,
  microsoftGroupQuery,
  microsoftInteger,
  microsoftIntegerMatmul,
  microsoftIntegerPool,
  microsoftNorm,
  microsoftRecurrent,
  ml,
  rankSum,
].flatMap((family): Row[] => Object.values(family));

/** Every row, by `domain:type` ('' before the colon is ai.onnx). */
export const ops: ReadonlyMap<string, Row> = new Map(
  [...Object.values(families), ...foreign].map((row): [string, Row] => [`${row.domain}:${row.type}`, row]),
);

const DOMAINS = ['', 'com.microsoft', 'com.microsoft.nchwc', 'ai.onnx.ml', 'pare'];

/** The row of an op by its name; without a domain, ai.onnx first. */
export function rowNamed(type: string, domain?: string): Row | undefined {
  if (domain !== undefined) return ops.get(`${domain === 'ai.onnx' ? '' : domain}:${type}`);
  for (const candidate of DOMAINS) {
    const row = ops.get(`${candidate}:${type}`);
    if (row) return row;
  }
  return undefined;
}

/** The row of a node, or undefined: such a node passes through and is protected from surgery. */
export const rowOf = (node: Pick<Node, 'op' | 'domain'>): Row | undefined => rowNamed(node.op, node.domain);
