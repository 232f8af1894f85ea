/** What a comparison of two models means, in words: where the error starts, and what to try. */

import type { Comparison, Distance } from './compare-models.ts';

/** Relative error below this is what 8-bit rounding gives anyway. */
const USUAL = 0.02;
/** A layer adds an error of its own when it multiplies what came in by more than this. */
const JUMP = 2;

export interface Advice {
  /** The first layer whose error is beyond the usual; undefined when none is. */
  readonly startsAt?: string;
  readonly sentences: readonly string[];
}

/** Reads a comparison from the first layer to the last. */
export function adviceOn({ outputs, layers }: Pick<Comparison, 'outputs' | 'layers'>): Advice {
  const known = layers.filter(({ relL2 }) => Number.isFinite(relL2));
  const worst = outputs.reduce((most, { relL2 }) => Math.max(most, Number.isFinite(relL2) ? relL2 : 0), 0);
  if (outputs.some(({ differs }) => differs !== undefined)) {
    return { sentences: ['The outputs have different dimensions: these are not two forms of one model.'] };
  }
  const broken = outputs.find(({ maxAbs }) => Number.isNaN(maxAbs));
  if (broken) {
    const first = layers.find(({ maxAbs, differs }) => differs === undefined && Number.isNaN(maxAbs));
    return {
      ...(first && { startsAt: first.name }),
      sentences: [
        `Output "${broken.name}" of one of the two is no number${first ? `, first seen at ${first.op} "${first.name}"` : ''}: no distance can be told.`,
      ],
    };
  }
  if (worst < USUAL) return { sentences: ['The outputs agree within what 8-bit rounding gives.'] };
  if (known.length === 0) {
    return {
      sentences: ['The outputs differ; no inner value has the same name in both, so where that starts cannot be told.'],
    };
  }
  const start = known.find(({ relL2 }) => relL2 >= USUAL);
  if (!start) {
    return {
      sentences: [
        'No inner value of the same name is far off, but the outputs are: the last layers make the error. Let --max-drop choose among them.',
      ],
    };
  }
  const jumps = known.flatMap((layer, i) => {
    const before = i === 0 ? 0 : known[i - 1]!.relL2;
    return layer.relL2 >= USUAL && layer.relL2 > JUMP * before ? [layer] : [];
  });
  const sentences = [`The error starts at ${start.op} "${start.name}" (relative L2 ${share(start)}).`];
  if (jumps.length > 1) {
    const named = jumps.slice(0, 3).map(({ name, relL2 }) => `"${name}" (${share({ relL2 })})`);
    sentences.push(`It jumps at ${named.join(', ')}${jumps.length > 3 ? ` and ${jumps.length - 3} more` : ''}.`);
  }
  const [first] = jumps;
  sentences.push(
    jumps.length === 0
      ? 'It grows little by little, in no layer above all: try --round adaround, another --calibrate, or --scheme qat.'
      : jumps.length <= 3 && first
        ? `Few layers make it: try ${jumps.map(({ name }) => `--exclude ${name}`).join(' ')}, or let --max-drop choose.`
        : 'Many layers make it: try --equalize, --calibrate percentile or mse, then --bias-correct full.',
  );
  return { startsAt: start.name, sentences };
}

const share = ({ relL2 }: Pick<Distance, 'relL2'>): string => `${(100 * relL2).toFixed(1)} %`;
