/** From the scores of a group's members to one score per unit. */

export type Combination = 'sum' | 'mean' | 'max';

/** Member scores, all of the same length, as one. Empty for no members. */
export function combine(members: readonly ArrayLike<number>[], how: Combination): Float64Array {
  const combined = new Float64Array(members[0]?.length ?? 0);
  for (let unit = 0; unit < combined.length; unit++) {
    let value = how === 'max' ? Number.NEGATIVE_INFINITY : 0;
    for (const scores of members) value = how === 'max' ? Math.max(value, scores[unit]!) : value + scores[unit]!;
    combined[unit] = how === 'mean' ? value / members.length : value;
  }
  return combined;
}
