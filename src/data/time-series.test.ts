import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inMemory } from './dataset.ts';
import { openData } from './spec.ts';
import { fromTable } from './split-table.ts';
import { fromSeries } from './time-series.ts';
import { windows } from './windows.ts';

const FILE = `#comment
@problemName Made up
@univariate false
@classLabel true up down
@data
1,2,3:10,10,10:up
3,2:10,?:down
`;

describe('fromSeries', () => {
  it('standardises each dimension over all steps, and fills up with its mean', () => {
    const { train } = fromSeries(FILE, 'made.ts');
    expect(train.inputs['x']).toEqual({ dtype: 'float32', dims: [3, 2] });
    const x = new Float32Array(12);
    train.fill('x', [0, 1], x);
    const std = Math.sqrt((1.2 ** 2 + 0.2 ** 2 + 0.8 ** 2 + 0.8 ** 2 + 0.2 ** 2) / 5);
    expect([...x].map((v) => Number(v.toFixed(4)))).toEqual(
      [-1.2, 0, -0.2, 0, 0.8, 0, 0.8, 0, -0.2, 0, 0, 0].map((v) => Number((v / std).toFixed(4)) + 0),
    );
    const labels = new BigInt64Array(2);
    train.fill('labels', [0, 1], labels);
    expect([...labels]).toEqual([0n, 1n]);
    expect(train.classes).toEqual(['up', 'down']);
  });

  it.each([
    ['@data\n1,2\n1,2:3,4\n', 'data/series'],
    ['@classLabel true a b\n@data\n1,2:c\n', 'data/classes'],
    ['@data\n1,x\n', 'data/series'],
    ['1,2,3\n', 'data/series'],
    ['@data\n', 'data/empty'],
  ])('says what is wrong with %j', (text, code) => {
    expect(() => fromSeries(text, 'bad.ts')).toThrow(expect.objectContaining({ code }) as Error);
  });
});

const ucr = '../shared/data/sequence/ucr';
it.skipIf(!existsSync(ucr))(
  'opens the UCR archive, test files beside training files (needs ../shared/data)',
  async () => {
    const { train, test } = await openData(`${ucr}/BasicMotions_TRAIN.ts`);
    expect([train.size, test!.size, train.inputs['x']!.dims, train.classes!.length]).toEqual([40, 40, [100, 6], 4]);
    const gun = await openData(`${ucr}/GunPoint_TRAIN.ts`);
    expect([gun.train.size, gun.test!.size, gun.train.inputs['x']!.dims]).toEqual([50, 150, [150, 1]]);
  },
);

describe('windows', () => {
  const data = Float32Array.from({ length: 10 }, (_, i) => i);
  const rows = inMemory({
    name: 'steps',
    inputs: { x: { dtype: 'float32', dims: [1], data } },
    labels: { dtype: 'float32', dims: [1], data: data.map((v) => 100 + v) },
  });

  it('show some steps and what comes after them', () => {
    const set = windows(rows, { length: 3, horizon: 2, stride: 2 });
    expect([set.size, set.inputs['x']!.dims]).toEqual([3, [3, 1]]);
    const [x, y] = [new Float32Array(6), new Float32Array(2)];
    set.fill('x', [2, 0], x);
    set.fill('labels', [2, 0], y);
    expect([...x]).toEqual([4, 5, 6, 0, 1, 2]);
    expect([...y]).toEqual([108, 104]);
  });

  it('refuse what makes no window', () => {
    expect(() => windows(rows, { length: 10 })).toThrow('does not make a window');
    expect(() => windows(rows, { length: 0 })).toThrow();
  });

  it('come from a table in order, the last rows held back', () => {
    const table = { header: ['t', 'y'], rows: Array.from({ length: 50 }, (_, i) => [`${i % 5}`, `${i / 2}`]) };
    const { train, test } = fromTable(table, 'steps.csv', { isSeries: true, task: 'regression' });
    const y = new Float32Array(1);
    test!.fill('labels', [0], y);
    expect([train.size, test!.size, y[0]]).toEqual([40, 10, 20]);
    expect(train.inputs['x']!.dims).toEqual([2]); // the label's own past is a feature
  });
});
