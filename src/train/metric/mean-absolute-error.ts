/** mean |t − y|, in units of the labels. */

import type { Metric } from './metric.ts';

export const meanAbsolute: Metric = {
  name: 'mae',
  better: 'less',
  start: () => {
    let [sum, count] = [0, 0];
    return {
      see(output, labels, samples, width) {
        for (let i = 0; i < samples * width; i++) sum += Math.abs(Number(labels[i]) - output[i]!);
        count += samples * width;
      },
      value: () => sum / count,
    };
  },
};
