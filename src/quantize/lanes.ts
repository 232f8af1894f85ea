/**
 * Channels in fours, and sixteen results at the least: only then does the engine's direct convolution kernel serve, which takes about half the
 * time of gathering patches byte by byte (images have three channels).
 *
 *   x [N, C, …] padded by its zero point to [N, C', …]      w [O, C, …] padded by 0 to [O, C', …]      C' = ⌈C / 4⌉ · 4
 *   w [O, C, …] padded by 0 to [O', C, …]                   O' = max(16, ⌈O / 4⌉ · 4), where convolutions alone read the result
 */

import { consumers } from '../graph/edit.ts';
import type { Dim, Graph, Node } from '../graph/model.ts';
import { sizeOf } from '../graph/tensor.ts';
import { type Facts, inferNode } from '../ops/infer.ts';
import type { Plan } from './plan.ts';
import type { Role } from './role.ts';

const LANES = 4;
/** Above this, patches are long enough to be copied well. */
const FEW = 64;
const LEAST_RESULTS = 16;
/** Below this, the kernel would compute more than twice as much. */
const FEW_RESULTS = 8;

/** Channels to add to a convolution's input; 0 when they come in fours, or are dealt to groups. */
export function missingLanes(weight: readonly number[], axis: number, input: readonly Dim[] | undefined): number {
  return isWhole(weight, axis, input) && weight[1]! < FEW ? upToFours(weight[1]!) : 0;
}

/** Does every output channel read every input channel? */
const isWhole = (weight: readonly number[], axis: number, input: readonly Dim[] | undefined): boolean =>
  axis === 0 && weight.length > 2 && input?.[1] === weight[1];

const upToFours = (channels: number): number => (LANES - (channels % LANES)) % LANES;

/** Channels to add to a convolution's result, for its kernel alone. */
export function missingResults(channels: number): number {
  if (channels < FEW_RESULTS || channels >= FEW) return 0;
  return Math.max(LEAST_RESULTS - channels, upToFours(channels));
}

/**
 * Channels of zeros behind the results of convolutions, by the value's name: those that make them fit the kernel, where nobody but further
 * convolutions reads them, straight or past nodes that only move each channel. Those of `except` fit it already.
 */
export function widerResults(
  graph: Graph,
  facts: Facts,
  { kernels, movers, dropped }: Plan,
  except: Pick<ReadonlyMap<Node, unknown>, 'has'> = new Map(),
): Map<string, number> {
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const wholeConv = (node: Node, role: Role | undefined): boolean =>
    role?.kind === 'weighted' &&
    isWhole(
      graph.initializers.get(node.inputs[role.weight]!)!.dims,
      role.axis,
      facts.get(node.inputs[role.input]!)?.dims,
    );
  const hasPlainBias = (node: Node, { bias }: { readonly bias: number }): boolean =>
    bias < 0 || graph.initializers.get(node.inputs[bias]!)?.dtype === 'float32';
  /** The values that hold these channels, or undefined where somebody needs exactly so many. */
  const reach = (from: string): string[] | undefined => {
    const values = [from];
    for (const name of values) {
      const users = readers.get(name) ?? [];
      if (outputs.has(name) || users.length === 0) return undefined;
      for (const user of users) {
        const role = kernels.get(user);
        if (role?.kind === 'weighted' && user.inputs[role.input] === name && wholeConv(user, role)) continue;
        if (!(movers.has(user) || dropped.has(user)) || !keepsChannels(user, name, facts)) return undefined;
        values.push(user.outputs[0]!);
      }
    }
    return values;
  };
  const wider = new Map<string, number>();
  for (const [node, role] of kernels) {
    if (role.kind !== 'weighted' || except.has(node) || !wholeConv(node, role) || !hasPlainBias(node, role)) continue;
    const more = missingResults(graph.initializers.get(node.inputs[role.weight]!)!.dims[0]!);
    if (more > 0) for (const name of reach(node.outputs[0]!) ?? []) wider.set(name, more);
  }
  return wider;
}

/** Does the node move each channel by itself? Then whatever their number is on axis 1 comes out there again. */
function keepsChannels(node: Node, name: string, facts: Facts): boolean {
  const channels = 'channels';
  const value = facts.get(name);
  if (!value || node.outputs.filter((output) => output !== '').length !== 1) return false;
  const open = { ...value, dims: value.dims.map((dim, i) => (i === 1 ? channels : dim)) };
  const [result] = inferNode(node, (input) => (input === name ? open : facts.get(input)));
  return result?.dims[1] === channels;
}

/** Codes [O, C, …] with `more` channels of zeros behind each output's own. */
export function widenCodes(codes: Int8Array, dims: readonly number[], more: number): Int8Array {
  const [O, C] = [dims[0]!, dims[1]!];
  const places = sizeOf(dims.slice(2));
  const wide = new Int8Array(O * (C + more) * places);
  for (let o = 0; o < O; o++) {
    wide.set(codes.subarray(o * C * places, (o + 1) * C * places), o * (C + more) * places);
  }
  return wide;
}
