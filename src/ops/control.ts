/**
 * Control flow. Shapes come from the sub-graphs.
 *
 * While learning, an If whose condition is known becomes its branch, and a Scan or Loop whose turns are known and few
 * is unrolled: slopes then pass through the nodes as through any other.
 */

import type { Dim } from '../graph/model.ts';
import { knownInts } from './answer.ts';
import type { Builder } from './builder.ts';
import { inline } from './inline.ts';
import { tooOld } from './misfit.ts';
import { type BodyCost, graphAttr, int, ints, type Out, op, type StaticValue, type Value } from './op.ts';
import { exactly } from './sample.ts';

/** The cost of bodies that nobody asks about. */
const nothing: BodyCost = () => 0;

/** Unrolled bodies up to this many nodes in all. */
const MOST_NODES = 5000;

/** Values of every turn side by side along a new axis. */
const stacked = (list: readonly StaticValue[], axis: number, g: Builder): StaticValue => {
  const at = axis < 0 ? axis + list[0]!.dims.length + 1 : axis;
  const dims = [...list[0]!.dims.slice(0, at), 1, ...list[0]!.dims.slice(at)];
  const placed = list.map((value) => g.reshape(value, dims));
  return placed.length === 1 ? placed[0]! : g.Concat(...placed, { axis: at });
};

const sizeOfBoth = (a: Dim, b: Dim): Dim => (a === b ? a : null);

/** What holds whichever of the two is taken. */
function either(a: Value | undefined, b: Value | undefined): Out | null {
  if (!a || !b || a.dims.length !== b.dims.length) return null;
  const sameInts = a.ints && b.ints && a.ints.every((x, i) => x === b.ints![i]) ? a.ints : undefined;
  return { dtype: a.dtype, dims: a.dims.map((dim, i) => sizeOfBoth(dim, b.dims[i]!)), ints: sameInts };
}

export const If = op({
  type: 'If',
  inputs: ['cond'],
  outputs: ['...Y'],
  attrs: { then_branch: graphAttr(), else_branch: graphAttr() },
  shape: ({ cond }, { then_branch, else_branch }, outputs, scope) => {
    const taken = knownInts(cond)?.[0];
    const yes = then_branch && taken !== 0 ? scope.outputsOf(then_branch, []) : [];
    const no = else_branch && !taken ? scope.outputsOf(else_branch, []) : [];
    if (taken !== undefined) return Array.from({ length: outputs }, (_, i) => (taken ? yes : no)[i] ?? null);
    return Array.from({ length: outputs }, (_, i) => either(yes[i], no[i]));
  },
  grad: 'missing',
  decompose: ({ cond }, { then_branch, else_branch }, g) => {
    const taken = knownInts(cond)?.[0];
    const branch = taken === undefined ? undefined : taken ? then_branch : else_branch;
    return branch && inline(branch, [], g);
  },
  couple: 'none',
  // The branch that is taken, or the one that costs more.
  cost: ({ cond }, { then_branch, else_branch }, bodyCost = nothing) => {
    const taken = knownInts(cond)?.[0];
    const branches = taken === undefined ? [then_branch, else_branch] : [taken ? then_branch : else_branch];
    return { macs: Math.max(0, ...branches.map((branch) => (branch ? bodyCost(branch, []) : 0))) };
  },
  quant: 'float',
  samples: [],
});

/** Carried values keep only what every turn keeps: what the body gives back must be what it got. */
const stable = (given: Value, back: Value | undefined): Out | null =>
  back && back.dims.length === given.dims.length
    ? { dtype: given.dtype, dims: given.dims.map((dim, i) => sizeOfBoth(dim, back.dims[i]!)) }
    : null;

/** Without the elements, which change from turn to turn. */
const shapeOnly = ({ dtype, dims }: Value) => ({ dtype, dims });

/** What a body gets first: the number of its turn, and whether to go on. */
const TURN = { dtype: 'int64', dims: [] } as const;
const GO = { dtype: 'bool', dims: [] } as const;

export const Loop = op({
  type: 'Loop',
  inputs: ['M?', 'cond?', '...carried'],
  outputs: ['...Y'],
  attrs: { body: graphAttr() },
  shape: ({ M, carried }, { body }, outputs, scope) => {
    if (!body) return null;
    const once = scope.outputsOf(body, [TURN, GO, ...carried.map(shapeOnly)]);
    const kept = carried.map((value, i) => stable(value, once[1 + i]));
    // Sizes that the body changes are unknown within it, too: ask again with those left open.
    const open = carried.map((value, i) => ({ dtype: value.dtype, dims: kept[i]?.dims ?? value.dims }));
    const settled = scope.outputsOf(body, [TURN, GO, ...open]);
    const turns = knownInts(M)?.[0] ?? null;
    // A known trip count bounds the number of turns; only a condition that never changes makes it exact.
    const never = body.outputs[0] && body.inputs[1] && isPassed(body, body.outputs[0].name, body.inputs[1].name);
    return Array.from({ length: outputs }, (_, i) => {
      if (i < carried.length) return kept[i] ?? null;
      const each = settled[1 + i];
      return each ? { dtype: each.dtype, dims: [never ? turns : null, ...each.dims] } : null;
    });
  },
  grad: 'missing',
  decompose: ({ M, cond, carried }, { body }, g) => {
    const turns = knownInts(M)?.[0];
    const go = cond ? knownInts(cond)?.[0] : 1;
    const never = body?.outputs[0] && body.inputs[1] && isPassed(body, body.outputs[0].name, body.inputs[1].name);
    if (!body || turns === undefined || !never || go !== 1 || turns * body.nodes.length > MOST_NODES) return undefined;
    let states: readonly StaticValue[] = carried;
    const gathered: StaticValue[][] = body.outputs.slice(1 + carried.length).map(() => []);
    const isOn = g.constant(exactly('bool', [], [1]), 'go');
    for (let turn = 0; turn < turns; turn++) {
      const [, ...made] = inline(body, [g.scalar(turn, 'int64'), isOn, ...states], g);
      states = made.slice(0, carried.length);
      gathered.forEach((list, i) => void list.push(made[carried.length + i]!));
    }
    return [...states, ...gathered.map((list) => stacked(list, 0, g))];
  },
  couple: 'none',
  // Of one turn where their number is not known.
  cost: ({ M, carried }, { body }, bodyCost = nothing) => {
    const turns = (M && knownInts(M)?.[0]) ?? 1;
    const once = body ? bodyCost(body, [TURN, GO, ...carried.map(shapeOnly)]) : 0;
    return { macs: (typeof turns === 'number' ? turns : 1) * once };
  },
  quant: 'float',
  samples: [],
});

/** Is this output the input itself, handed through? */
const isPassed = (
  body: { readonly nodes: readonly { op: string; inputs: readonly string[]; outputs: readonly string[] }[] },
  output: string,
  input: string,
): boolean =>
  output === input ||
  body.nodes.some((node) => node.op === 'Identity' && node.outputs[0] === output && node.inputs[0] === input);

const axisOf = (axes: readonly number[] | undefined, i: number, rank: number): number =>
  ((axes?.[i] ?? 0) + rank) % rank;

/** What a Scan hands its body: states, one slice of each scanned input, and how many slices there are. */
function scanned(values: readonly Value[], count: number, axes: readonly number[] | undefined) {
  const states = values.slice(0, values.length - count);
  const along = values
    .slice(states.length)
    .map(({ dtype, dims }, i) => ({ dtype, dims, at: axisOf(axes, i, dims.length) }));
  const slices = along.map(({ dtype, dims, at }) => ({ dtype, dims: dims.filter((_, k) => k !== at) }));
  return { states, slices, length: along[0]?.dims[along[0].at] ?? null };
}

export const Scan = op({
  type: 'Scan',
  inputs: ['...values'],
  outputs: ['...Y'],
  attrs: {
    body: graphAttr(),
    num_scan_inputs: int(1),
    scan_input_axes: ints(),
    scan_output_axes: ints(),
    scan_input_directions: ints(),
    scan_output_directions: ints(),
  },
  shape: ({ values }, { body, num_scan_inputs, scan_input_axes, scan_output_axes }, outputs, scope) => {
    if (!body) return null;
    const { states, slices, length } = scanned(values, num_scan_inputs, scan_input_axes);
    const made = scope.outputsOf(body, [...states.map(shapeOnly), ...slices]);
    return Array.from({ length: outputs }, (_, i) => {
      const value = made[i];
      if (i < states.length) return stable(states[i]!, value);
      if (!value) return null;
      const dims: Dim[] = [...value.dims];
      dims.splice(axisOf(scan_output_axes, i - states.length, dims.length + 1), 0, length);
      return { dtype: value.dtype, dims };
    });
  },
  grad: 'missing',
  decompose: ({ values }, a, g) => {
    const { body, num_scan_inputs } = a;
    const first = values.length - num_scan_inputs;
    const along = (i: number): number =>
      ((a.scan_input_axes?.[i] ?? 0) + values[first + i]!.dims.length) % values[first + i]!.dims.length;
    const turns = values[first]?.dims[along(0)];
    if (!body || turns === undefined || turns * body.nodes.length > MOST_NODES) return undefined;
    const slices = values.slice(first).map((value, i) => {
      const parts = g.emit('Split', [value], { axis: along(i), num_outputs: turns }, { outputs: turns });
      const flat = parts.map((part) =>
        g.reshape(
          part,
          part.dims.filter((_, k) => k !== along(i)),
        ),
      );
      return a.scan_input_directions?.[i] === 1 ? flat.reverse() : flat;
    });
    let states = values.slice(0, first);
    const gathered: StaticValue[][] = body.outputs.slice(first).map(() => []);
    for (let turn = 0; turn < turns; turn++) {
      const made = inline(body, [...states, ...slices.map((parts) => parts[turn]!)], g);
      states = made.slice(0, first);
      gathered.forEach((list, i) => void list.push(made[first + i]!));
    }
    return [
      ...states,
      ...gathered.map((list, i) =>
        stacked(a.scan_output_directions?.[i] === 1 ? list.reverse() : list, a.scan_output_axes?.[i] ?? 0, g),
      ),
    ];
  },
  couple: 'none',
  cost: ({ values }, { body, num_scan_inputs, scan_input_axes }, bodyCost = nothing) => {
    const { states, slices, length } = scanned(values, num_scan_inputs, scan_input_axes);
    const once = body ? bodyCost(body, [...states.map(shapeOnly), ...slices]) : 0;
    return { macs: (typeof length === 'number' ? length : 1) * once };
  },
  quant: 'float',
  samples: [],
  history: [
    {
      until: 8,
      modern: () => {
        throw tooOld('Scan', 8, 'it had a batch axis and sequence lengths');
      },
      old: () => 'it had a batch axis and sequence lengths',
    },
  ],
});
