/**
 * Connectionist temporal classification: the probability of a label sequence, summed over all its alignments.
 *
 *   l'    = blank, l₁, blank, l₂, …, blank                                             length S = 2 L + 1
 *   α₀(s) = log p₀(l'ₛ) for s = 0, 1, else −∞
 *   αₜ(s) = log pₜ(l'ₛ) + logsumexp( αₜ₋₁(s), αₜ₋₁(s−1), αₜ₋₁(s−2) if l'ₛ ≠ blank and l'ₛ ≠ l'ₛ₋₂ )
 *   loss  = −logsumexp( α_T(2|l|), α_T(2|l|−1) ) / |l|, mean over the batch
 *
 * Source   Graves et al. 2006, "Connectionist temporal classification", ICML; reduction as in PyTorch.
 */

import { float32, int64 } from '../../graph/tensor.ts';
import type { StaticValue } from '../../ops/op.ts';
import type { Loss } from './loss.ts';

export interface CtcOptions {
  /** Most labels per sample; shorter sequences are filled up with −1. */
  labels: number;
  /** The class that means nothing. Default 0. */
  blank?: number;
}

/** Log of what cannot be. */
const NEVER = -1e30;

/** Shapes   logits [N, T, K], labels [N, L] int64, filled up with −1. Nodes grow with T: for sequences of some hundred steps at most. */
export const ctc =
  ({ labels: most, blank = 0 }: CtcOptions): Loss =>
  (g, { output: logits, column }) => {
    const [n, steps] = logits.dims as [number, number, number];
    const states = 2 * most + 1;
    const given = column('labels', 'int64', [most]); // [N, L]
    const isLabel = g.GreaterOrEqual(given, 0);
    const label = g.Where(isLabel, given, g.scalar(blank, 'int64')); // [N, L]
    const blanks = g.constant(int64([n, most, 1], new Array<number>(n * most).fill(blank)), 'ctc_blanks');
    const pairs = g.reshape(g.Concat(blanks, g.reshape(label, [n, most, 1]), { axis: 2 }), [n, 2 * most]);
    const last = g.constant(int64([n, 1], new Array<number>(n).fill(blank)), 'ctc_blank');
    const extended = g.Concat(pairs, last, { axis: 1 }); // [N, S]

    const logP = g.LogSoftmax(logits, { axis: 2 }); // [N, T, K]
    const every = g.Expand(g.reshape(extended, [n, 1, states]), [n, steps, states]);
    const seen = g.GatherElements(logP, every, { axis: 2 }); // [N, T, S]

    // A jump over a blank: from s − 2 to a label that differs from the one before.
    const head = g.constant(int64([n, 2], new Array<number>(2 * n).fill(blank)), 'ctc_head');
    const earlier = g.Concat(head, g.Slice(extended, [0], [states - 2], [1]), { axis: 1 });
    const mayJump = g.And(g.Not(g.Equal(extended, blank)), g.Not(g.Equal(extended, earlier)));
    const jump = g.Mul(g.Sub(1, g.Cast(mayJump, { to: 1 })), NEVER); // 0 or −∞

    const fill = (count: number): StaticValue =>
      g.constant(float32([n, count], new Array<number>(n * count).fill(NEVER)), 'ctc_never');
    const [one, two] = [fill(1), fill(2)];
    const shifted = (x: StaticValue, by: number): StaticValue =>
      g.Concat(by === 1 ? one : two, g.Slice(x, [0], [states - by], [1]), { axis: 1 });
    const sumOf = (...terms: StaticValue[]): StaticValue => {
      const top = terms.reduce((a, b) => g.Max(a, b));
      return g.Add(top, g.Log(terms.map((x) => g.Exp(g.Sub(x, top))).reduce((a, b) => g.Add(a, b))));
    };
    const at = (t: number): StaticValue => g.reshape(g.Slice(seen, [t], [t + 1], [1]), [n, states]);
    const begin = g.constant(
      float32(
        [1, states],
        Array.from({ length: states }, (_, s) => (s < 2 ? 0 : NEVER)),
      ),
      'ctc_begin',
    );
    let alpha = g.Add(at(0), begin);
    for (let t = 1; t < steps; t++) {
      alpha = g.Add(at(t), sumOf(alpha, shifted(alpha, 1), g.Add(shifted(alpha, 2), jump)));
    }

    const length = g.ReduceSum(g.Cast(isLabel, { to: 7 }), [1]); // [N, 1]
    const end = g.Mul(length, g.constant(int64([1], [2]), 'two'));
    const final = (place: StaticValue): StaticValue => g.GatherElements(alpha, place, { axis: 1 }); // [N, 1]
    const before = g.Max(g.Sub(end, g.constant(int64([1], [1]), 'one')), g.constant(int64([1], [0]), 'none'));
    // An empty sequence has one way to end, not two.
    const isEmpty = g.Cast(g.Equal(length, g.constant(int64([1], [0]), 'none')), { to: 1 });
    const whole = g.Neg(sumOf(final(end), g.Add(final(before), g.Mul(isEmpty, NEVER))));
    const perLabel = g.Div(whole, g.Max(g.Cast(length, { to: 1 }), 1));
    return g.ReduceMean(perLabel, [0, 1], { keepdims: 0 });
  };
