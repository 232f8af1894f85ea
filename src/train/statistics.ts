/**
 * Running statistics that fit averaged weights: those on the way were of other weights.
 *
 *   kept(b) = m · kept + (1 − m) · b    what a layer makes of the batch's statistics b
 *   b = kept(b) from 0, over 1 − m;  m = kept(b) from 1 − kept(b) from 0;  new statistics = mean of b over some batches
 *
 * Source   Izmailov et al. 2018, arXiv:1803.05407, section 3.2.
 */

import { batches } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { expand, OWN_DOMAIN } from '../grad/expand.ts';
import { removeDead } from '../graph/edit.ts';
import { elements, floats, type Tensor, zeros } from '../graph/tensor.ts';
import { infer } from '../ops/infer.ts';
import { STEP } from '../ops/random-uniform.ts';
import { type Lab, stopIfAborted } from '../runtime/index.ts';
import { engineBytes, withStatedOutputs } from './program.ts';
import type { Trainer } from './trainer.ts';

/** Batches that are looked at, at most. */
const LOOKS = 32;

export interface Statistics extends Disposable {
  /** Puts statistics of the weights as they are now in place; the answer puts those back that were there. */
  settle(): Promise<() => void>;
}

/** Undefined where the trainer's weights to evaluate are those that it trains, or no layer keeps statistics. */
export async function openStatistics(trainer: Trainer, data: Dataset, lab: Lab): Promise<Statistics | undefined> {
  const { step, optimizer, batch, held } = trainer;
  const { form } = step;
  if (form.state.size === 0 || !optimizer.links.some(({ evaluate }) => evaluate)) return undefined;
  const outputs = [...form.state.values()].map((name) => ({ name }));
  const forward = removeDead({ ...form.graph, outputs });
  const parts = expand(forward); // as the training step has them: not every device has composites in their learning form
  const graph = withStatedOutputs(expand(parts, infer(parts), ({ domain }) => domain === OWN_DOMAIN));
  const session = await lab.engine.load(engineBytes(graph), {
    optimize: 'none',
    ...(lab.threads && { threads: lab.threads }),
  });
  const ports = new Set(session.inputs.map(({ name }) => name));
  const weights = Object.fromEntries([...trainer.weights()].filter(([name]) => ports.has(name)));
  const kept = new Map([...form.state.keys()].map((name) => [name, zeros('float32', held.get(name)!.dims)]));
  const given: Record<string, Tensor> = {
    ...weights,
    ...Object.fromEntries([...kept].filter(([name]) => ports.has(name))),
  };
  if (ports.has(STEP)) given[STEP] = zeros('uint32', []);
  const columns = Object.entries(Object.fromEntries(step.columns)).filter(([name]) => ports.has(name));
  for (const [name, { dtype, dims }] of columns) given[name] = zeros(dtype, dims);

  /** What every layer makes of a batch, having kept `start`. */
  const from = async (start: number): Promise<Float32Array[]> => {
    for (const t of kept.values()) floats(t).fill(start);
    const answers = await session.run(given, undefined, lab.signal);
    return [...form.state.values()].map((name) => floats(answers[name]!));
  };
  return {
    async settle() {
      const lists = [...batches(data.size, { batch, seed: lab.seed ?? 0, dropLast: true })].slice(0, LOOKS);
      const sums = [...kept.values()].map(({ dims }) => new Float64Array(floats(zeros('float32', dims)).length));
      for (const list of lists) {
        stopIfAborted(lab.signal);
        await data.prepare?.(list);
        for (const [name] of columns) data.fill(name, list, elements(given[name]!));
        const [none, one] = [await from(0), await from(1)];
        sums.forEach((sum, k) => {
          for (let i = 0; i < sum.length; i++) {
            const m = one[k]![i]! - none[k]![i]!;
            sum[i]! += none[k]![i]! / (1 - m) / lists.length;
          }
        });
      }
      const before = [...kept.keys()].map((name) => floats(held.get(name)!).slice());
      [...kept.keys()].forEach((name, k) => {
        floats(held.get(name)!).set(sums[k]!);
      });
      return () => {
        [...kept.keys()].forEach((name, k) => {
          floats(held.get(name)!).set(before[k]!);
        });
      };
    },
    [Symbol.dispose]: () => session[Symbol.dispose](),
  };
}
