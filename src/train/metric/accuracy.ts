/** The share of samples whose largest output is the labelled class. */

import { argmax, type Metric } from './metric.ts';

export const accuracy: Metric = {
  name: 'accuracy',
  start: () => {
    let [right, total] = [0, 0];
    return {
      see(output, labels, samples, width) {
        for (let i = 0; i < samples; i++) if (argmax(output, i * width, width) === Number(labels[i])) right += 1;
        total += samples;
      },
      value: () => right / total,
    };
  },
};
