/** How much of a layer to keep: by energy, by EVBMF, by a share of the full rank, or by what a budget leaves. */

import { PareError } from '../../base/error.ts';
import { evbmfRank } from './evbmf.ts';
import type { Spectrum } from './scheme.ts';

export type Rank =
  /** The smallest rank whose squared singular values make up this share of all. */
  | { readonly energy: number }
  /** The noise-free rank by variational Bayes; `weaken` w moves it towards the full one: r + w (full − r). Default 0. */
  | { readonly evbmf: true; readonly weaken?: number }
  /** This share of the full rank. */
  | { readonly share: number }
  /** One energy for all layers, the largest under which the model keeps at most this share of its MACs. */
  | { readonly keep: { readonly macs: number } }
  /** For each layer the largest rank whose chain takes at most this share of the layer's time, measured. */
  | { readonly latency: number };

/** Rules that look at one spectrum only. */
export type SpectrumRank = Exclude<Rank, { keep: unknown } | { latency: unknown }>;

/** The smallest r with Σ_{i ≤ r} ≥ share · Σ; at least 1. */
export function energyRank(energy: ArrayLike<number>, share: number): number {
  let total = 0;
  for (let i = 0; i < energy.length; i++) total += energy[i]!;
  let sum = 0;
  for (let i = 0; i < energy.length; i++) {
    sum += energy[i]!;
    if (sum >= share * total) return i + 1;
  }
  return Math.max(1, energy.length);
}

/** Share of the energy that rank r keeps. */
export function keptEnergy(energy: ArrayLike<number>, r: number): number {
  let total = 0;
  let kept = 0;
  for (let i = 0; i < energy.length; i++) {
    total += energy[i]!;
    if (i < r) kept += energy[i]!;
  }
  return total === 0 ? 1 : kept / total;
}

/** `r` as the next multiple of `block`, where it is at least a block, and no more than the full rank. */
export const roundRank = (r: number, block: number, full: number): number =>
  block > 1 && r >= block / 2 ? Math.min(full, Math.ceil(r / block) * block) : r;

/** The rank for one spectrum, or undefined where the rule has no answer. */
export function chooseRank(rank: SpectrumRank, { energy, matrix }: Spectrum): number | undefined {
  if ('energy' in rank) return energyRank(energy, checked(rank.energy, 'energy'));
  if ('share' in rank) return Math.max(1, Math.round(checked(rank.share, 'share') * energy.length));
  if (!matrix) return undefined;
  const r = evbmfRank(energy, ...matrix);
  return Math.max(1, Math.round(r + (rank.weaken ?? 0) * (energy.length - r)));
}

export function checked(share: number, name: string): number {
  if (share > 0 && share <= 1) return share;
  throw new PareError('option/rank', `The rank's ${name} is a share between 0 and 1.`, { got: `${share}` });
}
