import { expect, it } from 'vitest';
import { dense, sequential } from '../nn/index.ts';
import { openEngine } from '../runtime/index.ts';
import { withinDrop } from './within-drop.ts';

it('finds the smallest share whose score holds, and none when no trial does', async () => {
  using engine = await openEngine({ threads: 1 });
  const notes: string[] = [];
  const lab = { engine, onNote: (note: string) => void notes.push(note) };
  const original = sequential([dense(2)], { input: [4] });
  const shareOf = new Map([[original, 1]]);
  const made = async (share: number) => {
    const model = { ...original };
    shareOf.set(model, share);
    return { model, share };
  };
  // The score falls in a straight line: a tenth of it is lost at 60 %.
  const score = async (model: typeof original) => 0.75 + 0.25 * shareOf.get(model)!;
  const found = await withinDrop(made, { original, most: 0.1, score }, lab);
  expect(found!.share).toBeGreaterThanOrEqual(0.6);
  expect(found!.share).toBeLessThan(0.6 + 0.9 / 16);
  expect(notes).toHaveLength(4);
  const broken = async (model: typeof original) => (model === original ? 1 : 0);
  expect(await withinDrop(made, { original, most: 0.1, score: broken }, lab)).toBeUndefined();
});
