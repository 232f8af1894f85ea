/**
 * What LSTM, GRU and RNN have in common: directions, sequence lengths, gates side by side in one weight.
 *
 *   X [T, N, I] · W [D, gates·H, I] + R [D, gates·H, H] -> Y [T, D, N, H], last states [D, N, H]
 *   layout 1 puts the batch first; D is 2 for both directions, else 1
 */

import type { Dim } from '../graph/model.ts';
import { count, zerosOf } from './answer.ts';
import type { Builder } from './builder.ts';
import { type Axis, adjust, type Link, mixes, tie, tieModulo } from './link.ts';
import { float, floatList, int, type Out, type StaticValue, text, textList, type Value } from './op.ts';

export const recurrentAttrs = {
  activations: textList(),
  activation_alpha: floatList(),
  activation_beta: floatList(),
  clip: float(),
  direction: text('forward'),
  hidden_size: int(),
  layout: int(0),
  output_sequence: int(),
};

/** How they are quantised: in floats, with a scale for each row of the gates where weights are stored as integers. */
export const recurrentQuant = { kind: 'float', stores: { slots: ['W', 'R'], axis: 1 } } as const;

export interface RecurrentAttrs {
  readonly direction: string;
  readonly layout: number;
  readonly activations?: readonly string[] | undefined;
  readonly clip?: number | undefined;
}

/** Y, Y_h (and Y_c). */
export function recurrentShape(X: Value, R: Value, { direction, layout }: RecurrentAttrs, states: number): Out[] {
  const [time, batch] = layout === 1 ? [X.dims[1]!, X.dims[0]!] : [X.dims[0]!, X.dims[1]!];
  const directions = direction === 'bidirectional' ? 2 : 1;
  const hidden = R.dims[2]!;
  const { dtype } = X;
  const sequence: Dim[] = layout === 1 ? [batch, time, directions, hidden] : [time, directions, batch, hidden];
  const last: Dim[] = layout === 1 ? [batch, directions, hidden] : [directions, batch, hidden];
  return [{ dims: sequence, dtype }, ...Array.from({ length: states }, () => ({ dims: last, dtype }))];
}

/** A hidden unit owns one row of every gate, one column of R, and its place in every state. */
export function recurrentLinks(
  axes: { X: readonly Axis[]; W: readonly Axis[]; R: readonly Axis[]; sequence_lens: readonly Axis[] | undefined },
  gated: readonly (readonly Axis[] | undefined)[],
  states: readonly (readonly Axis[] | undefined)[],
  Y: readonly Axis[] | undefined,
  layout: number,
): Link[] {
  const { X, W, R, sequence_lens } = axes;
  const unit = R[2]!;
  const [time, batch] = layout === 1 ? [1, 0] : [0, 1];
  return [
    mixes(X[time]!, 'steps follow each other'),
    tie(X[2]!, W[2]!, 'what one layer drops, the next stops reading'),
    tieModulo(W[1]!, unit, 'a row in every gate'),
    tieModulo(R[1]!, unit, 'a row in every gate'),
    ...(sequence_lens ? [tie(sequence_lens[0]!, X[batch]!, 'a length per sequence')] : []),
    ...gated.flatMap((v) => (v ? [tieModulo(v[1]!, unit, 'a place in every gate')] : [])),
    ...states.flatMap((v) =>
      v
        ? [tie(v[2]!, unit, 'a unit of the state'), tie(v[layout === 1 ? 0 : 1]!, X[batch]!, 'samples stay samples')]
        : [],
    ),
    ...(Y?.length
      ? [tie(Y[3]!, unit, 'a unit of the output'), tie(Y[layout === 1 ? 0 : 2]!, X[batch]!, 'samples stay samples')]
      : []),
    adjust((kept) => ({ attrs: { hidden_size: kept(unit).length } })),
  ];
}

/** Multiply-accumulates: every step multiplies the input and the state by all gates. */
export const recurrentCost = (X: StaticValue, W: StaticValue, R: StaticValue) => ({
  macs: X.dims[0]! * X.dims[1]! * (count(W.dims) + count(R.dims)),
});

/** One direction's part of a stacked weight [D, ...rest] → rest. */
export const partOf = (stacked: StaticValue, direction: number, g: Builder): StaticValue => {
  const one = stacked.dims[0] === 1 ? stacked : g.Slice(stacked, [direction], [direction + 1], [0]);
  return g.reshape(one, stacked.dims.slice(1));
};

/** Biases [gates·H] of the input and of the state, and their sum. */
export function biasesOf(B: StaticValue, direction: number, g: Builder): { input: StaticValue; state: StaticValue } {
  const both = partOf(B, direction, g);
  const half = both.dims[0]! / 2;
  const [input, state] = g.emit('Split', [both, [half, half]], { axis: 0 }, { outputs: 2 });
  return { input: input!, state: state! };
}

/** One direction in the making: what its cell needs. Samples lie last, as the engine repacks the right factor of every product: the small one. */
export interface Pass {
  readonly direction: number;
  /** X in the order of this direction: [T, N, I]. */
  readonly x: StaticValue;
  /** The first state [H, N] from a stacked one, or zeros. */
  readonly first: (initial: StaticValue | undefined) => StaticValue;
  /** 1 where a sequence still runs: [T, 1, N]. Undefined when all run to the end. */
  readonly mask: StaticValue | undefined;
}

/** What a cell gives for one direction: the states of all steps [T, H, N], and the last of each kind [H, N]. */
export interface Passed {
  readonly all: StaticValue;
  readonly last: readonly StaticValue[];
}

/**
 * Runs a cell in every direction and stacks what comes out: Y, then the last states.
 * A backward pass reads each sequence turned round as far as it is long.
 */
export function inDirections(
  X: StaticValue,
  hidden: number,
  lengths: StaticValue | undefined,
  { direction, layout }: RecurrentAttrs,
  g: Builder,
  cell: (pass: Pass) => Passed,
): StaticValue[] {
  const x = layout === 1 ? g.Transpose(X, { perm: [1, 0, 2] }) : X;
  const [time, batch] = x.dims as [number, number, number];
  const turns = direction === 'forward' ? [false] : direction === 'reverse' ? [true] : [false, true];
  const long = lengths ? g.Cast(lengths, { to: 7 }) : g.ints(new Array<number>(batch).fill(time));
  const turned = (v: StaticValue, isTurned: boolean): StaticValue =>
    isTurned ? g.ReverseSequence(v, long, { time_axis: 0, batch_axis: 1 }) : v;
  const steps = g.reshape(g.ints(Array.from({ length: time }, (_, t) => t)), [time, 1, 1]);
  const mask = lengths && g.Cast(g.Less(steps, g.reshape(long, [1, 1, batch])), { to: 1 });
  const first = (initial: StaticValue | undefined, at: number): StaticValue => {
    if (!initial) return zerosOf([hidden, batch], g);
    const stacked = layout === 1 ? g.Transpose(initial, { perm: [1, 0, 2] }) : initial;
    return g.Transpose(partOf(stacked, at, g), { perm: [1, 0] });
  };
  const passes = turns.map((isTurned, at) => {
    const { all, last } = cell({
      direction: at,
      x: turned(x, isTurned),
      first: (initial) => first(initial, at),
      mask,
    });
    const samplesFirst = g.Transpose(mask ? g.Mul(all, mask) : all, { perm: [0, 2, 1] });
    return { all: turned(samplesFirst, isTurned), last: last.map((state) => g.Transpose(state, { perm: [1, 0] })) };
  });
  const stack = (parts: readonly StaticValue[], axis: number, dims: readonly number[]): StaticValue => {
    const placed = parts.map((part) => g.reshape(part, dims));
    return placed.length === 1 ? placed[0]! : g.Concat(...placed, { axis });
  };
  const Y = stack(
    passes.map(({ all }) => all),
    1,
    [time, 1, batch, hidden],
  );
  const states = passes[0]!.last.map((_, k) =>
    stack(
      passes.map(({ last }) => last[k]!),
      0,
      [1, batch, hidden],
    ),
  );
  if (layout !== 1) return [Y, ...states];
  return [g.Transpose(Y, { perm: [2, 0, 1, 3] }), ...states.map((state) => g.Transpose(state, { perm: [1, 0, 2] }))];
}

/** Inputs of all steps as a Scan reads them: [T, N, I] → [T, I, N]. */
export const samplesLast = (x: StaticValue, g: Builder): StaticValue => g.Transpose(x, { perm: [0, 2, 1] });

/** Values of all steps side by side, one row for each unit: [T, K, N] → [K, T·N]. */
export const rowsOf = (steps: StaticValue, g: Builder): StaticValue => {
  const [time, width, batch] = steps.dims as [number, number, number];
  return g.reshape(g.Transpose(steps, { perm: [1, 0, 2] }), [width, time * batch]);
};

/** The state before each step: the first one [H, N], then what each step but the last left [T, H, N]. */
export const statesBefore = (first: StaticValue, all: StaticValue, g: Builder): StaticValue => {
  const start = g.reshape(first, [1, ...first.dims]);
  const time = all.dims[0]!;
  return time > 1 ? g.Concat(start, g.Slice(all, [0], [time - 1], [0]), { axis: 0 }) : start;
};

/** Slopes of x [T, N, I], W and the bias [K, 1] behind W·x + b, from those of all steps in rows [K, T·N]. */
export const inputSlopes = (perGate: StaticValue, x: StaticValue, W: StaticValue, g: Builder) => {
  const [time, batch, width] = x.dims as [number, number, number];
  return {
    x: g.reshape(g.Gemm(perGate, W, { transA: 1 }), x.dims),
    W: g.Gemm(perGate, g.reshape(x, [time * batch, width])),
    b: g.ReduceSum(perGate, [1]),
  };
};

/** A state that only moves on while its sequence runs: m · after + (1 − m) · before. */
export const heldBy = (
  mask: StaticValue | undefined,
  after: StaticValue,
  before: StaticValue,
  g: Builder,
): StaticValue => (mask ? g.Add(before, g.Mul(mask, g.Sub(after, before))) : after);

/** A slope split by the mask: what reaches the step, and what passes it by. */
export const splitBy = (
  mask: StaticValue | undefined,
  slope: StaticValue,
  g: Builder,
): { here: StaticValue; past: StaticValue | undefined } => {
  if (!mask) return { here: slope, past: undefined };
  const here = g.Mul(mask, slope);
  return { here, past: g.Sub(slope, here) };
};

/** Joins what passed by, if anything did. */
export const rejoin = (slope: StaticValue, past: StaticValue | undefined, g: Builder): StaticValue =>
  past ? g.Add(slope, past) : slope;

/** A Scan over time: states in, per-step values in; last states out, per-step values out. */
export function scanOver(
  states: readonly StaticValue[],
  perStep: readonly StaticValue[],
  outputs: number,
  isBackward: boolean,
  g: Builder,
  step: (b: Builder, states: StaticValue[], slices: StaticValue[]) => { states: StaticValue[]; out: StaticValue[] },
): StaticValue[] {
  const inputs = [
    ...states.map(({ dtype, dims }) => ({ dtype, dims })),
    ...perStep.map(({ dtype, dims }) => ({ dtype, dims: dims.slice(1) })),
  ];
  const body = g.body(inputs, (b, ...values) => {
    const made = step(b, values.slice(0, states.length), values.slice(states.length));
    return [...made.states, ...made.out];
  });
  return g.emit(
    'Scan',
    [...states, ...perStep],
    {
      body,
      num_scan_inputs: perStep.length,
      ...(isBackward && {
        scan_input_directions: perStep.map(() => 1),
        scan_output_directions: new Array<number>(outputs).fill(1),
      }),
    },
    { outputs: states.length + outputs },
  );
}

/** Is the cell the standard one, with nothing but the activations that it names by default? */
export const isStandard = ({ activations, clip }: RecurrentAttrs, usual: readonly string[]): boolean =>
  clip === undefined && (activations === undefined || activations.every((name, i) => name === usual[i % usual.length]));
