/** Who makes a channel and who reads it: the weights of a group with their roles, told by the ties alone. */

import { isFloat } from '../graph/dtype.ts';
import type { Node } from '../graph/model.ts';
import { rowOf } from '../ops/index.ts';
import { slotAt } from '../ops/infer.ts';
import type { Axis } from '../ops/link.ts';
import type { Group, Place, Solved } from './group.ts';

/** A float constant as the network reads it (dequantised, reshaped), along the axis that a group cuts. */
export interface Member {
  readonly place: Place;
  /** 'out': tied to what its node makes; 'in': tied to what its node reads. */
  readonly role: 'out' | 'in';
  readonly node: Node;
  readonly slot: string;
  /** The activation axis that it is tied to. */
  readonly partner: Pick<Axis, 'value' | 'axis'>;
}

const keyOf = (value: string, axis: number): string => `${value}\u0000${axis}`;

/** The members of every group, in the order of the groups. A weight that several nodes read is a member for each. */
export function membersOf(solved: Solved): readonly (readonly Member[])[] {
  const { ties, constants, bound } = solved;
  const roles = new Map<string, Omit<Member, 'place'>[]>();
  for (const { node, a, b } of ties) {
    for (const [weight, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (!constants.has(weight.value) || constants.has(other.value)) continue;
      const at = node.inputs.indexOf(weight.value);
      if (at < 0) continue;
      const row = rowOf(node)!;
      const role = node.outputs.includes(other.value) ? 'out' : 'in';
      const key = keyOf(weight.value, weight.axis);
      const list = roles.get(key) ?? [];
      roles.set(key, list);
      // One node counts once: a product ties its weight to the result, a square one to both sides.
      if (list.some((known) => known.node === node)) continue;
      list.push({ role, node, slot: slotAt(row.inputs, at), partner: other });
    }
  }
  return solved.groups.map((group: Group) =>
    group.places.flatMap((place) => {
      const fact = bound.concrete.get(place.value);
      if (!fact || !isFloat(fact.dtype)) return [];
      return (roles.get(keyOf(place.value, place.axis)) ?? []).map((role) => ({ place, ...role }));
    }),
  );
}

/** Members worth scoring: matrices, kernels and the scales of normalisations; vectors only where there is nothing else. */
export function scorable(solved: Solved, members: readonly Member[]): readonly Member[] {
  const rank = ({ place }: Member): number => solved.bound.concrete.get(place.value)!.dims.length;
  const strong = members.filter((member) => rank(member) > 1 || member.slot.toLowerCase() === 'scale');
  return strong.some((member) => rank(member) > 1) ? strong : members;
}
