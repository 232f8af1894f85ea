/** Recurrent layers over sequences [N, T, I]. */

import type { Value } from '../ops/op.ts';
import type { Initializer } from './initializer.ts';
import { fixed, type Layer } from './layer.ts';

export interface RecurrentOptions {
  /** Reads the sequence in both directions; the outputs lie side by side. Default false. */
  bidirectional?: boolean;
  /** 'all' gives every step [N, T, H], 'last' the last state [N, H] (of both directions, 2 H). Default 'all'. */
  returns?: 'all' | 'last';
  /** The number of steps of each sequence, int32 [N]. Default: all. */
  lengths?: Value;
}

/** U(±1 / √H), PyTorch's default for every recurrent weight. */
const uniform =
  (hidden: number): Initializer =>
  (dims, random) => {
    const limit = 1 / Math.sqrt(hidden);
    return Float32Array.from({ length: dims.reduce((n, dim) => n * dim, 1) }, () => limit * (2 * random.uniform() - 1));
  };

const recurrent =
  (op: 'RNN' | 'LSTM' | 'GRU', kind: string, gates: number, attrs: Record<string, number> = {}) =>
  (hidden: number, { bidirectional = false, returns = 'all', lengths }: RecurrentOptions = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name(kind);
    const directions = bidirectional ? 2 : 1;
    const init = uniform(hidden);
    const steps = g.Transpose(x, { perm: [1, 0, 2] }); // [T, N, I]
    const W = weight(`${layer}.weight`, [directions, gates * hidden, fixed(x.dims[2])], init);
    const R = weight(`${layer}.recurrent`, [directions, gates * hidden, hidden], init);
    const B = weight(`${layer}.bias`, [directions, 2 * gates * hidden], init);
    const [Y, last] = g.emit(
      op,
      [steps, W, R, B, lengths],
      { hidden_size: hidden, direction: bidirectional ? 'bidirectional' : 'forward', ...attrs },
      { name: layer, outputs: 2 },
    );
    const width = directions * hidden;
    if (returns === 'last') return g.Reshape(g.Transpose(last!, { perm: [1, 0, 2] }), [0, width]); // [N, D·H]
    return g.Reshape(g.Transpose(Y!, { perm: [2, 0, 1, 3] }), [0, 0, width]); // [T, D, N, H] → [N, T, D·H]
  };

/** h' = tanh(W x + R h + b). Elman 1990. */
export const simpleRnn = recurrent('RNN', 'rnn', 1);
/** Long short-term memory. Hochreiter and Schmidhuber 1997; gates in ONNX's order [i, o, f, c]. */
export const lstm = recurrent('LSTM', 'lstm', 4);
/** Gated recurrent unit, its reset behind the product as in PyTorch and cuDNN. Cho et al. 2014, arXiv:1406.1078; gates [z, r, h]. */
export const gru = recurrent('GRU', 'gru', 3, { linear_before_reset: 1 });
