/** exp( mean −log softmax(output)[label] ): between how many classes the model hesitates. */

import type { Metric } from './metric.ts';

/** Outputs are logits (or log-probabilities) [N, K], labels class numbers. */
export const perplexity: Metric = {
  name: 'perplexity',
  better: 'less',
  start: () => {
    let [sum, count] = [0, 0];
    return {
      see(output, labels, samples, width) {
        for (let i = 0; i < samples; i++) {
          const row = output.subarray(i * width, (i + 1) * width);
          const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
          const total = row.reduce((a, x) => a + Math.exp(x - top), 0);
          sum += top + Math.log(total) - row[Number(labels[i])]!;
        }
        count += samples;
      },
      value: () => Math.exp(sum / count),
    };
  },
};
