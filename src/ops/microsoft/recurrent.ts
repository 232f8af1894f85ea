/** Recurrent cells on integers, as ONNX Runtime has them: carried and costed. */

import { over } from '../../graph/dim.ts';
import { count } from '../answer.ts';
import { carried } from '../carried.ts';
import { int } from '../op.ts';
import { recurrentAttrs } from '../recurrent.ts';

/** As LSTM, its weights turned: W [D, I, 4H] and R [D, H, 4H] in 8 bits, a scale for each gate row or direction. */
export const DynamicQuantizeLSTM = carried('DynamicQuantizeLSTM', {
  domain: 'com.microsoft',
  inputs: [
    'X',
    'W',
    'R',
    'B?',
    'sequence_lens?',
    'initial_h?',
    'initial_c?',
    'P?',
    'W_scale',
    'W_zero',
    'R_scale',
    'R_zero',
  ],
  outputs: ['Y?', 'Y_h?', 'Y_c?'],
  attrs: { ...recurrentAttrs, input_forget: int(0) },
  shape: ({ X, R }, { direction }) => {
    const [time, batch] = [X.dims[0]!, X.dims[1]!];
    const directions = direction === 'bidirectional' ? 2 : 1;
    const hidden = over(R.dims[2]!, 4);
    const last = { dims: [directions, batch, hidden], dtype: X.dtype };
    return [{ dims: [time, directions, batch, hidden], dtype: X.dtype }, last, last];
  },
  cost: ({ X, W, R }) => ({ macs: X.dims[0]! * X.dims[1]! * (count(W.dims) + count(R.dims)) }),
});
