/**
 * Layer by layer through the network as quantised and corrected so far: what is measured is what will happen.
 *
 *   b ← b − (E[ŷ] − E[y])        ŷ the layer's output behind the quantised prefix, y the float network's
 *
 * Cost     one run of the prefix over the samples for each layer.
 * Source   Nagel et al. 2019, arXiv:1906.04721, appendix D (empirical bias correction).
 */

import { removeDead } from '../../graph/edit.ts';
import type { Model } from '../../graph/model.ts';
import { stopIfAborted } from '../../runtime/index.ts';
import { write } from '../calibrated.ts';
import { observe } from '../observe.ts';
import { planOf } from '../plan.ts';
import type { Correction } from './correction.ts';
import { addChannels, type ChannelSums, meansOf } from './means.ts';

/** Means need few samples. */
const SAMPLES = 64;

export const full: Correction = {
  about: 'layer by layer, from what each gives in the network quantised so far',
  async run({ calibrated, options, data, samples }, lab) {
    const { model, facts } = calibrated;
    const { kernels } = planOf(model.graph, facts, options);
    const layers = [...kernels].flatMap(([{ outputs }, role]) =>
      role.kind === 'weighted' && role.biasSlot >= 0 ? [{ output: outputs[0]!, last: role.product }] : [],
    );
    const order = new Map(model.graph.nodes.map(({ outputs }, i) => [outputs[0], i]));
    layers.sort((a, b) => order.get(a.output)! - order.get(b.output)!);
    const used = samples.subarray(0, SAMPLES);
    const { onProgress: _, ...quiet } = lab;
    const means = async (of: Model, names: ReadonlyMap<string, boolean>): Promise<Map<string, Float64Array>> => {
      const sums = new Map<string, ChannelSums>();
      const part = { ...of, graph: removeDead({ ...of.graph, outputs: [...names.keys()].map((name) => ({ name })) }) };
      const see = (name: string, x: Float32Array, dims: readonly number[]): void => {
        sums.set(name, addChannels(sums.get(name), x, dims, names.get(name)!));
      };
      await observe(part, [...names.keys()], data, see, { samples: used, task: 'mean outputs' }, quiet);
      return new Map([...sums].map(([name, state]) => [name, meansOf(state)]));
    };
    const wanted = await means(model, new Map(layers.map(({ output, last }) => [output, last])));
    const biasShifts = new Map<string, Float64Array>();
    for (const [i, { output, last }] of layers.entries()) {
      stopIfAborted(lab.signal);
      const { written, raw } = write(calibrated, { ...options, biasShifts, ownShapes: true });
      const name = raw.get(output)!;
      const now = (await means(written, new Map([[name, last]]))).get(name)!;
      const target = wanted.get(output)!;
      biasShifts.set(
        output,
        now.map((mean, c) => mean - target[c]!),
      );
      lab.onProgress?.({ task: 'correct biases', done: i + 1, total: layers.length });
    }
    return { biasShifts };
  },
};
