/** Tensors to and from the memory of the engine's device. */

import type { Tensor } from '../graph/tensor.ts';
import type { Binding, Engine, Resident, Values } from './engine.ts';
import { tinyOnnx } from './tiny-onnx.ts';

/** Moves sets of float32 tensors of fixed shapes. Dispose it after what it placed. */
export interface Copier extends Disposable {
  /** Fresh residents with the numbers of `tensors`, in order. */
  place(tensors: readonly Tensor[]): Promise<readonly Resident[]>;
  /** Copies from → to, in order; either side may lie on the device. */
  copy(from: readonly (Tensor | Resident)[], to: readonly (Tensor | Resident)[]): Promise<void>;
}

/**
 * Opens a copier for float32 tensors of these dimensions: a graph of nothing but Identity, so that any engine does it the same way.
 *
 * Throws   engine/load.
 */
export async function openCopier(engine: Engine, shapes: readonly (readonly number[])[]): Promise<Copier> {
  const from = shapes.map((dims, i) => ({ name: `x${i}`, dims }));
  const to = shapes.map((dims, i) => ({ name: `y${i}`, dims }));
  const nodes = shapes.map((_, i) => ({ op: 'Identity', inputs: [`x${i}`], outputs: [`y${i}`] }));
  const session = await engine.load(tinyOnnx({ nodes, inputs: from, outputs: to }), { optimize: 'none' });
  const named = (letter: 'x' | 'y', values: readonly (Tensor | Resident)[]): Values =>
    Object.fromEntries(values.map((value, i) => [`${letter}${i}`, value]));
  return {
    async place(tensors) {
      const kept = await session.keep(
        named('x', tensors),
        to.map(({ name }) => name),
      );
      return to.map(({ name }) => kept[name]!);
    },
    async copy(given, into) {
      using binding: Binding = session.bind(named('x', given), named('y', into));
      await binding.run();
    },
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}
