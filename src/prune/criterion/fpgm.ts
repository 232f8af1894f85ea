/**
 * Distance to the other filters of the layer: what lies near the geometric median can be replaced by the rest.
 *
 *   score(u) = Σ_v ‖w_u − w_v‖₂
 *
 * Source   He et al. 2019, "Filter Pruning via Geometric Median", arXiv:1811.00250.
 */

import type { Criterion } from './criterion.ts';

export const fpgm: Criterion = {
  name: 'fpgm',
  about: 'sum of distances to the other filters of the layer',
  needs: ['weight'],
  accepts: ({ role, dims }) => role === 'out' && dims.length > 1,
  score: ({ weight, units, elements }) => {
    const rows = Array.from({ length: units }, (_, u) => Float64Array.from(elements(u), (i) => weight[i]!));
    const score = new Float64Array(units);
    for (let u = 0; u < units; u++) {
      for (let v = u + 1; v < units; v++) {
        const [a, b] = [rows[u]!, rows[v]!];
        let square = 0;
        for (let k = 0; k < a.length; k++) square += (a[k]! - b[k]!) ** 2;
        const distance = Math.sqrt(square);
        score[u]! += distance;
        score[v]! += distance;
      }
    }
    return score;
  },
};
