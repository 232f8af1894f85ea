/** What the output says that answers a sample: one table of readings, each turns two outputs for the same sample into a credit. */

import type { Dataset } from '../data/index.ts';
import { feedsOf, type Model, tensorType } from '../graph/model.ts';
import { givesChoice } from '../nn/index.ts';
import { answersOf, type Scale, scaleOf } from '../report/scoring.ts';

/** All answers of a model's first output: [N, ...dims]. */
export interface Outputs {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

export interface Reading {
  /** For people: when is an answer the same? */
  readonly about: string;
  /** 0 to 1 for each sample: does this answer it as the wanted answers say? */
  readonly credits: (outputs: Outputs, wanted: Outputs) => Float64Array;
  /** The class that each sample's answer names, where it names one. */
  readonly answers?: (outputs: Outputs) => Int32Array;
}

/** An answer of numbers is the same when it is this near, over its own length: 20 dB. */
const NEAR = 0.1;

const each = ({ dims, values }: Outputs, of: (at: number, width: number) => number): Float64Array => {
  const width = dims.reduce((a, b) => a * b, 1);
  return Float64Array.from({ length: values.length / Math.max(1, width) }, (_, i) => of(i * width, width));
};

/** Share of the rows of `row` numbers whose largest entries stand at the same place. */
const sameTops = (a: Float32Array, b: Float32Array, at: number, width: number, row: number): number => {
  let same = 0;
  for (let from = at; from < at + width; from += row) {
    if (topOf(a, from, row) === topOf(b, from, row)) same += 1;
  }
  return same / (width / row);
};

function topOf(x: Float32Array, from: number, row: number): number {
  let best = from;
  for (let i = from; i < from + row; i++) {
    if (Number.isNaN(x[i]!)) return -1;
    if (x[i]! > x[best]!) best = i;
  }
  return best;
}

export const readings = {
  classes: {
    about: 'the same class',
    credits: (outputs, wanted) =>
      each(outputs, (at, width) => {
        if (width > 1) return sameTops(outputs.values, wanted.values, at, width, width);
        return sign(outputs.values[at]!) === sign(wanted.values[at]!) ? 1 : 0;
      }),
    answers: (outputs) => classesIn(outputs),
  },
  choice: {
    about: 'the same class',
    credits: (outputs, wanted) => each(outputs, (at) => (outputs.values[at] === wanted.values[at] ? 1 : 0)),
    answers: ({ values }) => Int32Array.from(values),
  },
  positions: {
    about: 'the same class at each position: the share of positions',
    credits: (outputs, wanted) =>
      each(outputs, (at, width) => sameTops(outputs.values, wanted.values, at, width, outputs.dims.at(-1)!)),
  },
  values: {
    about: `an output within ${NEAR * 100} % of the original's`,
    credits: (outputs, wanted) =>
      each(outputs, (at, width) => {
        let [apart, size] = [0, 0];
        for (let i = at; i < at + width; i++) {
          apart += (outputs.values[i]! - wanted.values[i]!) ** 2;
          size += wanted.values[i]! ** 2;
        }
        return apart <= NEAR ** 2 * size ? 1 : 0;
      }),
  },
} satisfies Record<string, Reading>;
export type ReadingName = keyof typeof readings;

/** A single number from 0 to 1 is a yes or a no. */
const sign = (x: number): number => (x > 0.5 ? 1 : 0);

/** How to read the outputs of a model that came without labels. */
export function readingFor(model: Model, { dims, values }: Outputs, data: Dataset): ReadingName {
  const [rows, ...more] = dims;
  const width = dims.reduce((a, b) => a * b, 1);
  const input = Object.values(data.inputs)[0];
  const isEcho = input !== undefined && input.dtype === 'float32' && `${input.dims}` === `${dims}`;
  if (width === 1 && givesChoice(model.graph)) return 'choice';
  const readsTokens = feedsOf(model.graph).some((info) => tensorType(info)?.dtype.startsWith('int'));
  if (dims.length === 2 && dims[1]! > 1 && readsTokens) return 'positions';
  if (isEcho || more.some((dim) => dim !== 1)) return 'values';
  if (width === 1) return scaleOf(values, 1) === 'probabilities' ? 'classes' : 'values';
  return rows !== undefined && rows > 1 ? 'classes' : 'values';
}

/** The class that each sample's answer names. */
export function classesIn({ dims, values }: Outputs): Int32Array {
  const width = dims.reduce((a, b) => a * b, 1);
  const scale: Scale = scaleOf(values, width);
  return answersOf(values, width, scale);
}
