/** The share of yes-or-no answers that are right: one or several per sample. */

import type { Metric } from './metric.ts';

/**
 * Outputs are logits (yes above 0), or probabilities (yes above a half) when none of them is outside 0 … 1.
 *
 * Shapes   output [N, K]; labels [N, K] of 0 and 1, or class numbers 0 and 1 [N] where K is 1.
 */
export const binaryAccuracy: Metric = {
  name: 'accuracy',
  start: () => {
    let isLogits = false;
    let total = 0;
    /** Right answers if the outputs are logits, and if they are probabilities. */
    const right = { logits: 0, probabilities: 0 };
    return {
      see(output, labels, samples, width) {
        const count = samples * width;
        for (let i = 0; i < count; i++) {
          const [x, label] = [output[i]!, Number(labels[i]) > 0.5];
          isLogits ||= x < 0 || x > 1;
          if (x > 0 === label) right.logits += 1;
          if (x > 0.5 === label) right.probabilities += 1;
        }
        total += count;
      },
      value: () => (isLogits ? right.logits : right.probabilities) / total,
    };
  },
};
