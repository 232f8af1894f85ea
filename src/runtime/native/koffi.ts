/** The one way to koffi, the package that calls C: with stacks that a neural network's runtime fits on. */

import { PareError } from '../../base/error.ts';
import type { Koffi } from './api.ts';

/**
 * koffi makes every call on a stack of its own: 128 kB for calls on other threads, which ONNX Runtime overruns (and dies)
 * when it loads or runs a real graph. Main threads have 8 MB. The pages are only taken when touched.
 */
const STACK_BYTES = 8 * 2 ** 20;

/**
 * koffi, set up. Everything in Pare that calls C takes it from here: its sizes can only be set before the first library is loaded.
 *
 * Throws   engine/missing when koffi cannot be loaded, or when something else loaded a library through it before with small stacks.
 */
export async function loadKoffi(): Promise<Koffi> {
  let koffi: Koffi;
  try {
    koffi = (await import('koffi')).default;
  } catch (cause) {
    throw missing(`koffi cannot be loaded (${firstLine(cause)})`, cause);
  }
  const sizes = koffi.config();
  if ((sizes.async_stack_size ?? 0) >= STACK_BYTES) return koffi;
  try {
    koffi.config({ ...sizes, async_stack_size: STACK_BYTES, sync_stack_size: STACK_BYTES });
  } catch (cause) {
    throw missing('another package used koffi first, with stacks too small for ONNX Runtime', cause);
  }
  return koffi;
}

/** Why there is no native engine. */
export const missing = (why: string, cause?: unknown): PareError =>
  new PareError('engine/missing', `No native engine: ${why}.`, cause === undefined ? {} : { cause });

export const firstLine = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).split('\n')[0]!;
