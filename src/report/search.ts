/** What a search leaves for its report, besides the summary of before and after. */

/** A model that was tried. */
export interface TrialPoint {
  /** What was done, in one line. */
  readonly recipe: string;
  /** Time over the original's. */
  readonly latencyRatio: number;
  readonly bytes: number;
  /** Share that was lost on the search samples; below 0 is a gain. */
  readonly drop: number;
  readonly isFrontier: boolean;
  readonly isChosen: boolean;
}

/** What the evaluation samples say. */
export interface Claim {
  readonly metric: string;
  readonly drop: number;
  readonly low: number;
  readonly high: number;
  readonly confidence: number;
  readonly samples: number;
  readonly lost: number;
  readonly won: number;
  readonly maxDrop: number;
  /** What counts as right. */
  readonly about: string;
  readonly tooSmall?: string | undefined;
}

/** A picture as a data URI. */
export interface Picture {
  readonly uri: string;
  readonly width: number;
  readonly height: number;
}

/** A sample whose answer changed. */
export interface Flip {
  readonly sample: number;
  readonly before: string;
  readonly after: string;
  /** What is right, where labels say so. */
  readonly label?: string | undefined;
  readonly picture?: Picture | undefined;
}

/** A node of a drawn graph: what it is, how wide its first output is, and the earlier rows that it reads. */
export interface GraphRow {
  readonly name: string;
  readonly op: string;
  readonly dims: string;
  readonly reads: readonly number[];
}

export interface TensorSize {
  readonly name: string;
  readonly dtype: string;
  readonly dims: string;
  readonly bytes: number;
}

/** A layer and what became of it. */
export interface LayerFate {
  readonly name: string;
  readonly op: string;
  /** "48 of 64 channels, integers": what was done, in words. */
  readonly what: string;
  /** Milliseconds of one sample, as the engine's profile has it; absent where the engine does not tell. */
  readonly beforeMs?: number | undefined;
  readonly afterMs?: number | undefined;
  /** What integers cost when this layer alone has them: KL divergence of the answers, or noise over signal; absent where unknown. */
  readonly sensitivity?: number | undefined;
}

export interface SearchSummary {
  /** The recipe step by step, with what each step said. */
  readonly steps: readonly { readonly name: string; readonly notes: readonly string[] }[];
  readonly trials: readonly TrialPoint[];
  readonly claim?: Claim | undefined;
  readonly flips: readonly Flip[];
  /** How many answers changed in all: `flips` may hold fewer. */
  readonly flipped: number;
  readonly layers: readonly LayerFate[];
  readonly tensors: { readonly before: readonly TensorSize[]; readonly after: readonly TensorSize[] };
  readonly graphs: { readonly before: readonly GraphRow[]; readonly after: readonly GraphRow[] };
  /** How latency was found. */
  readonly latency: string;
}
