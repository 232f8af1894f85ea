/** Tensors to and from the memory of the engine's device. */

import { DTYPES } from '../graph/dtype.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Binding, Engine, Resident, Values } from './engine.ts';
import { tinyOnnx } from './tiny-onnx.ts';

/** Moves sets of tensors of fixed types. Dispose it after what it placed. */
export interface Copier extends Disposable {
  /** Fresh residents with the numbers of `tensors`, in order. */
  place(tensors: readonly Tensor[]): Promise<readonly Resident[]>;
  /** Copies from → to, in order; either side may lie on the device. */
  copy(from: readonly (Tensor | Resident)[], to: readonly (Tensor | Resident)[]): Promise<void>;
}

/**
 * Opens a copier for tensors of these types: a graph of nothing but Identity, so that any engine does it the same way.
 *
 * Throws   engine/load.
 */
export async function openCopier(engine: Engine, types: readonly Pick<Tensor, 'dtype' | 'dims'>[]): Promise<Copier> {
  const named = (letter: 'x' | 'y') =>
    types.map(({ dtype, dims }, i) => ({ name: `${letter}${i}`, code: DTYPES[dtype].code, dims }));
  const nodes = types.map((_, i) => ({ op: 'Identity', inputs: [`x${i}`], outputs: [`y${i}`] }));
  const session = await engine.load(tinyOnnx({ nodes, inputs: named('x'), outputs: named('y') }), { optimize: 'none' });
  const fed = (letter: 'x' | 'y', values: readonly (Tensor | Resident)[]): Values =>
    Object.fromEntries(values.map((value, i) => [`${letter}${i}`, value]));
  return {
    async place(tensors) {
      const names = types.map((_, i) => `y${i}`);
      const kept = await session.keep(fed('x', tensors), names);
      return names.map((name) => kept[name]!);
    },
    async copy(given, into) {
      using binding: Binding = session.bind(fed('x', given), fed('y', into));
      await binding.run();
    },
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}
