/** The verbs by name; each is loaded when it is called for. */

import type { Verb } from '../verb.ts';

export const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  inspect: async () => (await import('./inspect.ts')).inspect,
  eval: async () => (await import('./eval.ts')).evalVerb,
  bench: async () => (await import('./bench.ts')).bench,
  compare: async () => (await import('./compare.ts')).compare,
  prune: async () => (await import('./prune.ts')).prune,
  compress: async () => (await import('./compress.ts')).compress,
  quantize: async () => (await import('./quantize.ts')).quantize,
  doctor: async () => (await import('./doctor.ts')).doctor,
};
