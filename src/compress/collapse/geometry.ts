/**
 * Where in the input of a run the places of its output look: step, reach and start of each spatial axis.
 *
 *   place p of the output sees the input places  start + p · step … start + p · step + reach − 1
 */

import type { Node } from '../../graph/model.ts';
import type { Facts } from '../../ops/infer.ts';
import { windowOf } from '../../ops/window.ts';
import { intsAttr, numberAttr, textAttr } from '../../rewrite/attribute.ts';
import type { Run } from './run.ts';

export interface Sight {
  readonly step: number;
  readonly reach: number;
  readonly start: number;
}

const WINDOWS = new Set(['Conv', 'MaxPool', 'AveragePool', 'LpPool']);

/** The sight of `to` in `from` along each spatial axis, or undefined where it cannot be followed (or is the whole input). */
export function sightOf({ from, to, nodes }: Run, facts: Facts): readonly Sight[] | undefined {
  const size = facts.get(from)!.dims.slice(2) as readonly number[];
  const seen = new Map<string, readonly Sight[]>([[from, size.map(() => ({ step: 1, reach: 1, start: 0 }))]]);
  for (const node of [...nodes].reverse()) {
    const known = node.inputs.flatMap((name) => (seen.has(name) ? [{ name, sight: seen.get(name)! }] : []));
    const first = known[0];
    const out = facts.get(node.outputs[0]!)?.dims;
    if (!first || !out || out.length !== size.length + 2) continue;
    const before = facts.get(first.name)!.dims;
    if (WINDOWS.has(node.op)) {
      const sight = through(node, first.sight, before.slice(2) as number[], facts);
      if (sight) seen.set(node.outputs[0]!, sight);
      continue;
    }
    if (out.slice(2).some((dim, i) => dim !== before[i + 2])) continue;
    seen.set(node.outputs[0]!, union(known.map(({ sight }) => sight)));
  }
  return seen.get(to);
}

function through(node: Node, sight: readonly Sight[], size: readonly number[], facts: Facts): Sight[] | undefined {
  const kernel = intsAttr(node, 'kernel_shape') ?? (facts.get(node.inputs[1] ?? '')?.dims.slice(2) as number[]);
  if (!kernel) return undefined;
  const { strides, dilations, begin } = windowOf(size, kernel, {
    auto_pad: textAttr(node, 'auto_pad', 'NOTSET'),
    pads: intsAttr(node, 'pads'),
    strides: intsAttr(node, 'strides'),
    dilations: intsAttr(node, 'dilations'),
    ceil_mode: numberAttr(node, 'ceil_mode', 0),
  });
  return sight.map(({ step, reach, start }, axis) => ({
    step: step * strides[axis]!,
    reach: reach + (kernel[axis]! - 1) * dilations[axis]! * step,
    start: start - begin[axis]! * step,
  }));
}

const union = (all: readonly (readonly Sight[])[]): Sight[] =>
  all[0]!.map((first, axis) => {
    const sights = all.map((sight) => sight[axis]!);
    const start = Math.min(...sights.map((sight) => sight.start));
    const end = Math.max(...sights.map((sight) => sight.start + sight.reach));
    return { step: first.step, start, reach: end - start };
  });

/** A convolution's window along one axis. */
export interface Fit {
  readonly kernel: number;
  readonly stride: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * The window of this kernel, centred on what the run sees, that gives `out` places of `size`; undefined where none does
 * (an even reach wants an even kernel). Without a sight the ratio of the sizes tells the stride.
 */
export function fitWindow(size: number, out: number, kernel: number, sight: Sight | undefined): Fit | undefined {
  const stride = sight?.step ?? Math.max(1, Math.round(size / out));
  const middle = sight ? sight.start + (sight.reach - 1) / 2 : (size - 1 - (out - 1) * stride) / 2;
  const begin = sight ? (kernel - 1) / 2 - middle : Math.max(0, Math.floor((kernel - 1) / 2 - middle));
  if (!Number.isInteger(begin) || begin < 0 || (sight && kernel > sight.reach)) return undefined;
  const end = Math.max(0, (out - 1) * stride + kernel - size - begin);
  const given = Math.floor((size + begin + end - kernel) / stride) + 1;
  return given === out && begin < kernel && end < kernel ? { kernel, stride, begin, end } : undefined;
}
