/** How many of a ranked list it takes. */

/** About the least count, 1 at least, whose value is within the bound, by doubling and halving; `most` when none is. */
export async function fewest(
  most: number,
  bound: number,
  valueAt: (count: number) => Promise<number>,
): Promise<{ count: number; value: number }> {
  const known = new Map<number, number>();
  const ask = async (count: number): Promise<number> => {
    const value = known.get(count) ?? (await valueAt(count));
    known.set(count, value);
    return value;
  };
  let [bad, good] = [0, Math.min(1, most)];
  while (good < most && (await ask(good)) > bound) [bad, good] = [good, Math.min(most, good * 2)];
  while (good - bad > 1) {
    const middle = (bad + good) >> 1;
    if ((await ask(middle)) > bound) bad = middle;
    else good = middle;
  }
  return { count: good, value: await ask(good) };
}
