/** Ends by name: what a search is for where the budget does not say, and the recipe that it tries first. */

import { presets, type RecipeName, type StepCall } from '../recipe/index.ts';
import type { Objective } from './budget.ts';
import type { TargetName } from './target/targets.ts';

export interface SearchPreset {
  /** Where it should be fast. */
  readonly target: TargetName;
  readonly objective: Objective;
  /** Tried first, where its learning fits into the time. */
  readonly steps: readonly StepCall[];
}

export const searchPresets: Readonly<Record<RecipeName, SearchPreset>> = {
  web: { target: 'wasm', objective: 'latency', steps: presets.web },
  server: { target: 'here', objective: 'latency', steps: presets.server },
  tiny: { target: 'here', objective: 'size', steps: presets.tiny },
};
