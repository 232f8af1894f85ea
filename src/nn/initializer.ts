/** How weights begin. */

import type { Random } from '../base/random.ts';
import { sizeOf } from '../graph/tensor.ts';

/** Values for a weight of these dimensions. */
export type Initializer = (dims: readonly number[], random: Random) => Float32Array;

/** How many inputs feed one output of a weight [out, in, ...kernel]. */
const fanIn = (dims: readonly number[]): number => sizeOf(dims.slice(1));
const fanOut = (dims: readonly number[]): number => (dims[0] ?? 1) * sizeOf(dims.slice(2));

const normal =
  (deviation: (dims: readonly number[]) => number): Initializer =>
  (dims, random) => {
    const scale = deviation(dims);
    return Float32Array.from({ length: sizeOf(dims) }, () => scale * random.normal());
  };
const uniform =
  (limit: (dims: readonly number[]) => number): Initializer =>
  (dims, random) => {
    const scale = limit(dims);
    return Float32Array.from({ length: sizeOf(dims) }, () => scale * (2 * random.uniform() - 1));
  };

/** N(0, 2 / fanIn), for layers before a ReLU. He et al. 2015, arXiv:1502.01852. */
export const heNormal = normal((dims) => Math.sqrt(2 / fanIn(dims)));
/** U(±√(6 / (fanIn + fanOut))). Glorot and Bengio 2010, AISTATS. */
export const glorotUniform = uniform((dims) => Math.sqrt(6 / (fanIn(dims) + fanOut(dims))));
/** U(±1 / √fanIn): PyTorch's default for linear and convolutional layers. */
export const fanInUniform = uniform((dims) => 1 / Math.sqrt(fanIn(dims)));
/** N(0, deviation²). */
export const gaussian = (deviation: number): Initializer => normal(() => deviation);
/** Every element the same. */
export const constant =
  (value: number): Initializer =>
  (dims) =>
    new Float32Array(sizeOf(dims)).fill(value);

/** The same for a weight [in, out]. */
export const turned =
  (init: Initializer): Initializer =>
  ([inputs = 1, outputs = 1], random) => {
    const rows = init([outputs, inputs], random);
    return Float32Array.from(rows, (_, i) => rows[(i % outputs) * inputs + Math.floor(i / outputs)]!);
  };
