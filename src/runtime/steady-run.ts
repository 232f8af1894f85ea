/** A model's run as it is timed: on inputs and outputs that stay where they are, without a turn of JavaScript's queue where it is short. */

import { asPareError } from '../base/error.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Binding, Feeds, Session } from './engine.ts';
import type { Case } from './measure.ts';

export interface SteadyRun extends Disposable {
  readonly run: Case['run'];
}

/** Runs below this block JavaScript: waiting for a turn of the event loop would cost some 40 µs, more than the work of a small model. */
const SHORT_MS = 100;
const TRIES = 3;

/**
 * Ties the session to these inputs, and to what it answered to them (default: it is asked). Outputs that are strings or empty, or whose sizes the
 * model states wrongly, cannot be tied: then each run returns fresh ones.
 *
 * Throws   as Session.run and Session.bind.
 */
export async function steadyRun(
  session: Session,
  feeds: Feeds,
  answer?: Readonly<Record<string, Tensor>>,
): Promise<SteadyRun> {
  const outputs = answer ?? (await session.run(feeds));
  const isPlain = Object.values(outputs).every(({ dtype, bytes }) => dtype !== 'string' && bytes.length > 0);
  const binding = isPlain ? await tied(session, feeds, outputs) : undefined;
  if (!binding) return { run: async () => void (await session.run(feeds)), [Symbol.dispose]: () => undefined };
  let isShort = false;
  for (let tries = 0; tries < TRIES && !isShort; tries++) {
    const start = performance.now(); // one try may be long because another program had the processor
    await binding.run();
    isShort = performance.now() - start < SHORT_MS;
  }
  return {
    run: isShort && binding.runSync ? () => binding.runSync!() : () => binding.run(),
    [Symbol.dispose]: () => binding[Symbol.dispose](),
  };
}

/** A binding that runs; undefined where the engine holds the outputs against what the model states of them. */
async function tied(session: Session, feeds: Feeds, outputs: Feeds): Promise<Binding | undefined> {
  const binding = session.bind(feeds, outputs);
  try {
    await binding.run();
    return binding;
  } catch (thrown) {
    binding[Symbol.dispose]();
    if (asPareError(thrown).code !== 'engine/run') throw thrown;
    return undefined;
  }
}
