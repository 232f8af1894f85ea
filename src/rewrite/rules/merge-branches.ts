/**
 * Parallel branches over one input that are added up become one convolution (RepVGG, ACNet).
 *
 *   Σ (W_j ∗ x + b_j) = (Σ W_j laid in one kernel) ∗ x + Σ b_j
 *
 * A smaller kernel lies inside the largest where the paddings say; x itself is a 1×1 kernel of ones on the diagonal,
 * a normalised x one of s with bias t, an average pool one of 1/places.
 * Source   Ding et al. 2021, "RepVGG: making VGG-style ConvNets great again", section 3.3; Ding et al. 2019, "ACNet".
 */

import type { Node } from '../../graph/model.ts';
import { sizeOf } from '../../graph/tensor.ts';
import { affineOf } from '../affine.ts';
import { doubles, rounded } from '../arithmetic.ts';
import { intsAttr, isQuantized, numberAttr, textAttr } from '../attribute.ts';
import type { Net } from '../net.ts';
import { node } from '../pattern.ts';
import { called, rule } from '../rule.ts';
import { batchNorm, values } from '../sample.ts';
import { scaleAndShift } from './fold-batch-norm.ts';

/** One addend as a convolution of x. */
interface Branch {
  readonly node: Node | undefined;
  readonly input: string;
  readonly kernel: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** W [channels, channels / group, ...kernel] for a group count that `group` divides into. */
  readonly weight: (group: number, perGroup: number, channels: number) => Float64Array | undefined;
  readonly bias: Float64Array | undefined;
}

interface Plan {
  readonly main: Branch & { readonly node: Node };
  readonly others: readonly Branch[];
  /** Values that are added as they were. */
  readonly rest: readonly string[];
}

/** Values that an Add or Sum (and Adds inside it that nobody else reads) adds up. */
function addends(sum: Node, net: Net): string[] {
  return sum.inputs.flatMap((name) => {
    const maker = net.maker(name);
    const isInner = maker && (maker.op === 'Add' || maker.op === 'Sum') && maker.domain === '';
    return isInner && !net.isOutput(name) && net.readers(name).length === 1 ? addends(maker, net) : [name];
  });
}

const fill = (rank: number, value: number): number[] => new Array<number>(rank).fill(value);

/** A kernel that gives each channel itself, times `scale`. */
const diagonal =
  (reach: number, scale: (channel: number) => number): Branch['weight'] =>
  (group, perGroup, channels) => {
    if (channels !== group * perGroup) return undefined;
    const W = new Float64Array(channels * perGroup * reach);
    for (let c = 0; c < channels; c++)
      W.fill(scale(c), (c * perGroup + (c % perGroup)) * reach, (c * perGroup + (c % perGroup) + 1) * reach);
    return W;
  };

function windowOf(
  node: Node,
  kernel: readonly number[],
): Omit<Branch, 'node' | 'input' | 'weight' | 'bias'> | undefined {
  const rank = kernel.length;
  if (textAttr(node, 'auto_pad').startsWith('SAME')) return undefined;
  const pads = intsAttr(node, 'pads') ?? fill(2 * rank, 0);
  return {
    kernel,
    begin: pads.slice(0, rank),
    end: pads.slice(rank),
    strides: intsAttr(node, 'strides') ?? fill(rank, 1),
    dilations: intsAttr(node, 'dilations') ?? fill(rank, 1),
  };
}

/** The addend as a branch over some input, or undefined. */
function branchOf(name: string, net: Net): Branch | undefined {
  const node = net.maker(name);
  if (node?.domain !== '' || net.isOutput(name) || net.readers(name).length > 1 || isQuantized(node, net))
    return undefined;
  const input = node.inputs[0]!;
  if (node.op === 'Conv') {
    const layer = affineOf(node, net);
    if (typeof layer === 'string') return undefined;
    const window = windowOf(node, layer.W.dims.slice(2));
    const own = numberAttr(node, 'group', 1);
    return (
      window && {
        node,
        input,
        ...window,
        weight: (group) => (group === own ? doubles(layer.W) : undefined),
        bias: layer.b,
      }
    );
  }
  if (node.op === 'AveragePool') {
    const kernel = intsAttr(node, 'kernel_shape') ?? [];
    const window = windowOf(node, kernel);
    const isPlain = [...(window?.begin ?? []), ...(window?.end ?? [])].every((pad) => pad === 0);
    const counts = isPlain || numberAttr(node, 'count_include_pad', 0) === 1;
    if (!window || !counts || numberAttr(node, 'ceil_mode', 0) === 1) return undefined;
    const reach = sizeOf(kernel);
    return { node, input, ...window, weight: diagonal(reach, () => 1 / reach), bias: undefined };
  }
  if (node.op === 'BatchNormalization') {
    const fixed = scaleAndShift(node, net);
    const rank = (net.dims(input)?.length ?? 2) - 2;
    if (typeof fixed === 'string' || rank < 1) return undefined;
    return { ...identity(input, rank), node, weight: diagonal(1, (c) => fixed.s[c]!), bias: fixed.t };
  }
  return undefined;
}

const identity = (input: string, rank: number): Branch => ({
  node: undefined,
  input,
  kernel: fill(rank, 1),
  begin: fill(rank, 0),
  end: fill(rank, 0),
  strides: fill(rank, 1),
  dilations: fill(rank, 1),
  weight: diagonal(1, () => 1),
  bias: undefined,
});

/** Does the small kernel lie inside the large one? */
function fitsIn(small: Branch, large: Branch): boolean {
  return small.kernel.every((size, i) => {
    const [begin, end] = [large.begin[i]! - small.begin[i]!, large.end[i]! - small.end[i]!];
    const dilation = large.dilations[i]!;
    const sameStep = size === 1 || small.dilations[i] === dilation;
    return (
      small.strides[i] === large.strides[i] &&
      sameStep &&
      begin >= 0 &&
      end >= 0 &&
      begin % dilation === 0 &&
      begin + (size - 1) * dilation + end === (large.kernel[i]! - 1) * dilation
    );
  });
}

const sizeOfConv = (node: Node, net: Net): { group: number; perGroup: number; channels: number } => {
  const [channels = 0, perGroup = 0] = net.constant(node.inputs[1]!)!.dims;
  return { group: numberAttr(node, 'group', 1), perGroup, channels };
};

/** Which addends go into which convolution: the largest first. Undefined when no two fit. */
function planOf(sum: Node, net: Net): Plan | undefined {
  const names = addends(sum, net);
  const branches = names.map((name) => ({ name, branch: branchOf(name, net) }));
  const convs = branches
    .flatMap(({ name, branch }) => (branch?.node?.op === 'Conv' ? [{ name, branch: branch as Plan['main'] }] : []))
    .sort((a, b) => sizeOf(b.branch.kernel) - sizeOf(a.branch.kernel));
  for (const { name, branch: main } of convs) {
    const { group, perGroup, channels } = sizeOfConv(main.node, net);
    const others: Branch[] = [];
    const rest: string[] = [];
    const left = [...branches];
    left.splice(
      left.findIndex((entry) => entry.name === name),
      1,
    );
    for (const { name: other, branch } of left) {
      const found = other === main.input ? identity(other, main.kernel.length) : branch;
      const fits = found?.input === main.input && fitsIn(found, main) && found.weight(group, perGroup, channels);
      if (fits) others.push(found);
      else rest.push(other);
    }
    if (others.length > 0) return { main, others, rest };
  }
  return undefined;
}

/** Adds a small kernel into a large one. */
function layIn(large: Float64Array, main: Branch, small: Float64Array, branch: Branch): void {
  const rank = main.kernel.length;
  const [from, to] = [sizeOf(branch.kernel), sizeOf(main.kernel)];
  for (let place = 0; place < from; place++) {
    let rest = place;
    let target = 0;
    let step = 1;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const offset = (main.begin[axis]! - branch.begin[axis]!) / main.dilations[axis]!;
      target += ((rest % branch.kernel[axis]!) + offset) * step;
      step *= main.kernel[axis]!;
      rest = Math.floor(rest / branch.kernel[axis]!);
    }
    for (let filter = 0; filter * from < small.length; filter++)
      large[filter * to + target]! += small[filter * from + place]!;
  }
}

export const mergeBranches = rule({
  name: 'merge-branches',
  about:
    'Added-up branches over one input (convolutions, the input itself, BatchNormalization, AveragePool) become one.',
  pattern: node(['Add', 'Sum'], [], { as: 'sum' }),
  where: ({ nodes: { sum } }, net) => planOf(sum!, net) !== undefined,
  check: ({ nodes: { sum } }, net) => {
    const outer = net.readers(sum!.outputs[0]!);
    const isInner = outer.length === 1 && (outer[0]!.op === 'Add' || outer[0]!.op === 'Sum');
    return isInner && !net.isOutput(sum!.outputs[0]!) ? `it is part of the sum "${called(outer[0]!)}"` : undefined;
  },

  rewrite: ({ nodes: { sum } }, edit) => {
    const { main, others, rest } = planOf(sum!, edit)!;
    const { group, perGroup, channels } = sizeOfConv(main.node, edit);
    const { dtype, dims } = edit.constant(main.node.inputs[1]!)!;
    const W = main.weight(group, perGroup, channels)!.slice();
    const bias = new Float64Array(channels);
    for (const branch of [main, ...others]) {
      for (let c = 0; c < channels; c++) bias[c]! += branch.bias?.[c] ?? 0;
    }
    for (const branch of others) layIn(W, main, branch.weight(group, perGroup, channels)!, branch);
    const hasBias = [main, ...others].some((branch) => branch.bias !== undefined);
    const gone = [main, ...others].flatMap(({ node }) => (node ? [node] : []));
    const [x = '', weight = '', b = ''] = main.node.inputs;
    const w = edit.reweigh(weight, rounded(dtype, dims, W), main.node);
    const c = hasBias ? edit.reweigh(b || `${weight}_bias`, rounded(dtype, [channels], bias), ...gone) : '';
    const merged = edit.emit('Conv', c ? [x, w, c] : [x, w], main.node.attrs, { like: main.node });
    const output = rest.reduce((total, name) => edit.emit('Add', [total, name]), merged);
    return { outputs: [output], why: `${others.length + 1} branches over "${x}" as Conv "${main.node.name}"` };
  },

  samples: [
    {
      about: 'RepVGG: 3×3, 1×1 and a normalised identity',
      leaves: 'Conv Relu',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 3, 5, 5]);
        const wide = g.Conv(x, values(g, [3, 3, 3, 3]), values(g, [3]), { pads: [1, 1, 1, 1] });
        return g.Relu(g.Add(g.Add(wide, g.Conv(x, values(g, [3, 3, 1, 1]))), batchNorm(g, x)));
      },
    },
    {
      about: 'ACNet: 3×3, 1×3 and 3×1, with stride',
      leaves: 'Conv',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 2, 7, 7]);
        const strides = [2, 2];
        const square = g.Conv(x, values(g, [3, 2, 3, 3]), { pads: [1, 1, 1, 1], strides });
        const row = g.Conv(x, values(g, [3, 2, 1, 3]), { pads: [0, 1, 0, 1], strides });
        const column = g.Conv(x, values(g, [3, 2, 3, 1]), values(g, [3]), { pads: [1, 0, 1, 0], strides });
        return g.Sum(square, row, column);
      },
    },
    {
      about: 'depthwise with itself and an average pool',
      leaves: 'Conv',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 4, 5, 5]);
        const pads = [1, 1, 1, 1];
        const own = g.Conv(x, values(g, [4, 1, 3, 3]), { group: 4, pads });
        return g.Add(g.Add(x, own), g.AveragePool(x, { kernel_shape: [3, 3], pads, count_include_pad: 1 }));
      },
    },
    {
      about: 'two branches and a stranger',
      leaves: 'Relu Conv Add',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 2, 5, 5]);
        const pads = [1, 1, 1, 1];
        const sum = g.Add(g.Conv(x, values(g, [2, 2, 3, 3]), { pads }), g.Relu(x));
        return g.Add(sum, g.Conv(x, values(g, [2, 2, 1, 1])));
      },
    },
    {
      about: 'branches over different inputs',
      build: (g) => {
        const x = g.input('x', 'float32', [1, 2, 5, 5]);
        return g.Add(g.Conv(x, values(g, [2, 2, 1, 1])), g.Conv(g.Relu(x), values(g, [2, 2, 1, 1])));
      },
      fires: false,
    },
  ],
});
