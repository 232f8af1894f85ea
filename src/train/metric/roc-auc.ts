/**
 * The area under the receiver operating characteristic: how likely a positive sample scores above a negative one.
 *
 *   AUC = ( Σ ranks of positives − P (P + 1) / 2 ) / (P · N)      ties share their mean rank
 *
 * Source   Hanley and McNeil 1982, Radiology 143.
 */

import type { Metric } from './metric.ts';

/** Two classes. The score is the single output, or output 1 − output 0, which ranks as softmax does. NaN with one class only. */
export const rocAuc: Metric = {
  name: 'roc-auc',
  start: () => {
    const scores: number[] = [];
    const positives: boolean[] = [];
    return {
      see(output, labels, samples, width) {
        for (let i = 0; i < samples; i++) {
          scores.push(width === 1 ? output[i]! : output[i * width + 1]! - output[i * width]!);
          positives.push(Number(labels[i]) > 0.5);
        }
      },
      value: () => {
        const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
        const many = positives.filter(Boolean).length;
        let ranks = 0;
        for (let i = 0; i < order.length; ) {
          let end = i;
          while (end < order.length && scores[order[end]!] === scores[order[i]!]) end++;
          for (let j = i; j < end; j++) if (positives[order[j]!]) ranks += (i + 1 + end) / 2;
          i = end;
        }
        return (ranks - (many * (many + 1)) / 2) / (many * (order.length - many));
      },
    };
  },
};
