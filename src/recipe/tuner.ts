/** How weights move while a network learns on, by name: an optimiser at a rate that suits most networks, falling as a cosine. */

import { adam, cosine, lamb, type Optimizer, sgd } from '../train/index.ts';

export interface Tuner {
  /** Peak learning rate where nobody names one. */
  readonly lr: number;
  /** For a run of so many updates. */
  readonly make: (lr: number, updates: number) => Optimizer;
}

export const tuners = {
  adam: { lr: 1e-3, make: (lr, updates) => adam({ lr: cosine(lr, updates) }) },
  /** Each weight moves by a share of its own length: the same rate suits raw pixels and normalised ones. */
  lamb: { lr: 5e-3, make: (lr, updates) => lamb({ lr: cosine(lr, updates) }) },
  /** With Nesterov's momentum: what networks with batch normalisation were mostly made with. */
  sgd: {
    lr: 0.02,
    make: (lr, updates) => sgd({ lr: cosine(lr, updates), momentum: 0.9, nesterov: true, decay: 5e-4 }),
  },
} as const satisfies Record<string, Tuner>;
export type TunerName = keyof typeof tuners;
