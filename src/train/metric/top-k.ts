/** The share of samples whose class is among the k largest outputs. */

import type { Metric } from './metric.ts';

/** Of equal outputs the first counts as larger. Default k = 5. */
export const topK = (k = 5): Metric => ({
  name: `top-${k}`,
  start: () => {
    let [right, total] = [0, 0];
    return {
      see(output, labels, samples, width) {
        for (let i = 0; i < samples; i++) {
          const own = Number(labels[i]);
          const score = output[i * width + own]!;
          let above = 0;
          for (let c = 0; c < width; c++) {
            const other = output[i * width + c]!;
            if (other > score || (other === score && c < own)) above += 1;
          }
          if (above < k) right += 1;
        }
        total += samples;
      },
      value: () => right / total,
    };
  },
});
