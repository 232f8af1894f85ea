import { expect, it } from 'vitest';
import { STYLE } from './style.ts';

it('says each thing of a class once: what two authors call alike would be drawn as both', () => {
  const names = [...STYLE.matchAll(/^(\.[\w-]+) \{/gm)].map(([, name]) => name!);
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});
