/** Two samples in one, and their classes with them. */

import { type Random, random } from '../base/random.ts';
import type { TypedArray } from '../graph/dtype.ts';
import { sizeOf } from '../graph/tensor.ts';
import { imageSize } from './augment.ts';
import { type Dataset, LABELS } from './dataset.ts';

export interface MixOptions {
  /** Number of classes. */
  readonly classes: number;
  /** The share λ of a sample is drawn from Beta(alpha, alpha). Default 0.2 (mixup), 1 (cutmix). */
  readonly alpha?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Who a sample is mixed with in an epoch, and its own share. */
interface Partner {
  readonly other: number;
  readonly share: number;
  readonly draw: Random;
}

/**
 * Every sample with another: λ x + (1 − λ) x'. Labels become distributions, float32 [classes]: train with `klDivergence()`.
 *
 * Source   Zhang et al. 2018, arXiv:1710.09412.
 */
export const mixup = (dataset: Dataset, { alpha = 0.2, ...options }: MixOptions): Dataset =>
  mixing(dataset, { alpha, ...options }, (own, other, { share }) => {
    for (let i = 0; i < own.length; i++) own[i] = share * own[i]! + (1 - share) * other[i]!;
    return share;
  });

/**
 * Every image with a rectangle of another, whose area is 1 − λ of the image. Labels as in `mixup`.
 *
 * Source   Yun et al. 2019, arXiv:1905.04899.
 */
export function cutmix(dataset: Dataset, { alpha = 1, ...options }: MixOptions): Dataset {
  const { channels, height, width } = imageSize(dataset, Object.keys(dataset.inputs)[0]!);
  return mixing(dataset, { alpha, ...options }, (own, other, { share, draw }) => {
    const side = Math.sqrt(1 - share);
    const [y, x] = [draw.integer(height), draw.integer(width)];
    const clamp = (value: number, most: number): number => Math.min(most, Math.max(0, Math.round(value)));
    const [top, bottom] = [clamp(y - (side * height) / 2, height), clamp(y + (side * height) / 2, height)];
    const [left, right] = [clamp(x - (side * width) / 2, width), clamp(x + (side * width) / 2, width)];
    for (let c = 0; c < channels && own.length > 0; c++) {
      for (let row = top; row < bottom; row++) {
        const at = (c * height + row) * width;
        own.set(other.subarray(at + left, at + right), at + left);
      }
    }
    return 1 - ((bottom - top) * (right - left)) / (height * width);
  });
}

/** Mixes `own` with `other` in place and gives the share of `own` that is left. An empty sample only tells the share. */
type Mix = (own: Float32Array, other: Float32Array, partner: Partner) => number;

function mixing(dataset: Dataset, { classes, alpha = 1, seed = 0 }: MixOptions, mix: Mix): Dataset {
  const column = Object.keys(dataset.inputs)[0]!;
  const length = sizeOf(dataset.inputs[column]!.dims);
  const at = (epoch: number): Dataset => {
    const base = dataset.atEpoch?.(epoch) ?? dataset;
    const partnerOf = (index: number): Partner => {
      const draw = random(seed, `mix/${epoch}/${index}`);
      return { other: draw.integer(dataset.size), share: beta(alpha, draw), draw };
    };
    const fillLabels = (indices: ArrayLike<number>, into: Float32Array): void => {
      into.fill(0);
      const partners = Array.from(indices, partnerOf);
      const [own, other] = [new BigInt64Array(indices.length), new BigInt64Array(indices.length)];
      base.fill(LABELS, indices, own);
      base.fill(
        LABELS,
        partners.map((partner) => partner.other),
        other,
      );
      partners.forEach((partner, i) => {
        const share = mix(new Float32Array(0), new Float32Array(0), partner);
        into[i * classes + Number(own[i])]! += share;
        into[i * classes + Number(other[i])]! += 1 - share;
      });
    };
    return {
      ...base,
      labels: { dtype: 'float32', dims: [classes] },
      fill(name: string, indices: ArrayLike<number>, into: TypedArray) {
        if (name === LABELS) return fillLabels(indices, into as Float32Array);
        base.fill(name, indices, into);
        if (name !== column) return;
        const partners = Array.from(indices, partnerOf);
        const others = new Float32Array(into.length);
        base.fill(
          name,
          partners.map((partner) => partner.other),
          others,
        );
        partners.forEach((partner, i) => {
          const [from, to] = [i * length, (i + 1) * length];
          mix((into as Float32Array).subarray(from, to), others.subarray(from, to), partner);
        });
      },
      ...(base.prepare && {
        prepare: (indices: ArrayLike<number>) => {
          const partners = Array.from(indices, (index) => partnerOf(index).other);
          return base.prepare!([...Array.from(indices), ...partners]);
        },
      }),
      atEpoch: at,
    };
  };
  return at(0);
}

/** Beta(a, a) as a ratio of two gammas. */
function beta(a: number, draw: Random): number {
  const [x, y] = [gamma(a, draw), gamma(a, draw)];
  return x + y > 0 ? x / (x + y) : 0.5;
}

/** Gamma(a, 1). Marsaglia and Tsang 2000; below 1 through Gamma(a + 1) · u^(1 / a). */
function gamma(a: number, draw: Random): number {
  if (a < 1) return gamma(a + 1, draw) * (1 - draw.uniform()) ** (1 / a);
  const d = a - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = draw.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - draw.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
