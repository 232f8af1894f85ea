/**
 * Learning that makes whole channels small before they are cut: each is pulled to zero, the weak ones harder.
 *
 *   I_k = √(Σ over the group's weights of channel k: w²)
 *   γ_k = 2^(4 · (I_max − I_k) / (I_max − I_min))
 *   loss += pull / 2 · Σ_k γ_k · I_k²
 *
 * Source   Fang et al. 2023, "DepGraph", arXiv:2301.12900, section 3.3; α = 4, pull = 5e-4 as in its experiments.
 */

import type { Model } from '../graph/model.ts';
import { float32, numbers, sizeOf } from '../graph/tensor.ts';
import type { Lab } from '../runtime/index.ts';
import type { Loss } from '../train/index.ts';
import type { Group } from './group.ts';
import { solve } from './group.ts';
import { membersOf, scorable } from './member.ts';
import { settle } from './settle.ts';

export interface GroupSparseOptions {
  /** How strongly channels are pulled. Default 5e-4. */
  pull?: number | undefined;
  /** The weakest channel of a group is pulled 2^range times as hard as the strongest. Default 4. */
  range?: number | undefined;
}

interface Pull {
  readonly weight: string;
  readonly axis: number;
  /** By position along the axis. */
  readonly factors: Float32Array;
}

/**
 * A loss with the pull of all groups added, by the strengths that the model has now.
 *
 * The model comes back in the form in which it can be cut: it, and no other, must learn with this loss. Renew both
 * from time to time: strengths change.
 */
export async function groupSparse(
  model: Model,
  base: Loss,
  { pull = 5e-4, range = 4 }: GroupSparseOptions,
  lab: Lab,
): Promise<{ model: Model; loss: Loss }> {
  const settled = await settle(model, lab);
  const solved = solve(settled.graph);
  const { initializers } = settled.graph;
  const members = membersOf(solved);
  const pulls = solved.groups.flatMap((_, i): Pull[] => {
    const own = scorable(solved, members[i]!).filter(({ place }) => initializers.has(place.value));
    const places = [...new Set(own.map(({ place }) => place))];
    const factors = factorsOf(strengthsOf(places, settled), range);
    return places.map(({ value, axis, size, each, positions }) => {
      const along = new Float32Array(size);
      positions.forEach((position, p) => {
        along[position] = factors[Math.floor(p / each)]!;
      });
      return { weight: value, axis, factors: along };
    });
  });
  const loss: Loss = (g, outcome) => {
    const terms = pulls.map(({ weight, axis, factors }) => {
      const w = outcome.value(weight);
      const wide = w.dims.map((dim, i) => (i === axis ? dim : 1));
      const weighted = g.Mul(g.Mul(w, w), g.constant(float32(wide, factors), `${weight}_pull`));
      return g.ReduceSum(g.reshape(weighted, [sizeOf(w.dims)]), [0], { keepdims: 0 });
    });
    const plain = base(g, outcome);
    return terms.length === 0
      ? plain
      : g.Add(
          plain,
          g.Mul(
            terms.reduce((a, b) => g.Add(a, b)),
            pull / 2,
          ),
        );
  };
  return { model: settled, loss };
}

/** I_k of every unit. */
function strengthsOf(places: readonly Group['places'][number][], { graph }: Model): Float64Array {
  const strengths = new Float64Array(places[0] ? places[0].positions.length / places[0].each : 0);
  for (const { value, axis, each, positions } of places) {
    const tensor = graph.initializers.get(value)!;
    const w = numbers(tensor);
    const inner = sizeOf(tensor.dims.slice(axis + 1));
    const outer = sizeOf(tensor.dims.slice(0, axis));
    positions.forEach((position, p) => {
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++)
          strengths[Math.floor(p / each)]! += w[(o * tensor.dims[axis]! + position) * inner + i]! ** 2;
    });
  }
  return strengths.map(Math.sqrt);
}

/** γ_k: 1 for the strongest, 2^range for the weakest; 1 for all where they are alike. */
export function factorsOf(strengths: ArrayLike<number>, range: number): Float64Array {
  const all = Array.from(strengths);
  const [high, low] = [Math.max(...all), Math.min(...all)];
  return Float64Array.from(all, (strength) => (high > low ? 2 ** ((range * (high - strength)) / (high - low)) : 1));
}
