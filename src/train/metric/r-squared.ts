/** R² = 1 − Σ (t − y)² / Σ (t − mean t)². */

import type { Metric } from './metric.ts';

export const rSquared: Metric = {
  name: 'r2',
  start: () => {
    let [residual, sum, squares, count] = [0, 0, 0, 0];
    return {
      see(output, labels, samples, width) {
        for (let i = 0; i < samples * width; i++) {
          const target = Number(labels[i]);
          residual += (target - output[i]!) ** 2;
          sum += target;
          squares += target * target;
          count += 1;
        }
      },
      value: () => 1 - residual / (squares - (sum * sum) / count),
    };
  },
};
