/** The verbs by name; each is loaded when it is called for. */

import type { Verb } from '../verb.ts';

export const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  demo: async () => (await import('./demo.ts')).demo,
  inspect: async () => (await import('./inspect.ts')).inspect,
  train: async () => (await import('./train.ts')).train,
  eval: async () => (await import('./eval.ts')).evalVerb,
  bench: async () => (await import('./bench.ts')).bench,
  compare: async () => (await import('./compare.ts')).compare,
  prune: async () => (await import('./prune.ts')).prune,
  distill: async () => (await import('./distill.ts')).distill,
  compress: async () => (await import('./compress.ts')).compress,
  quantize: async () => (await import('./quantize.ts')).quantize,
  optimize: async () => (await import('./optimize.ts')).optimize,
  run: async () => (await import('./run.ts')).runVerb,
  plan: async () => (await import('./plan.ts')).plan,
  doctor: async () => (await import('./doctor.ts')).doctor,
};
