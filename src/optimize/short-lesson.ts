/** Lessons that only tell ways apart: each sample once, or few samples several times. */

/** Options of a step that learns from `seen` samples, repeats counted, of `size` that there are. */
export const shortLesson = (seen: number, size: number): { readonly epochs: number; readonly samples: number } => ({
  epochs: Math.max(1, Math.floor(seen / size)),
  samples: Math.min(seen, size),
});
