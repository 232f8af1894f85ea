import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromCsv, readTable } from './csv.ts';
import { classesOf, type Dataset } from './dataset.ts';
import { featuresOf } from './table.ts';

const values = (set: Dataset, column: string): number[] => {
  const dims = column === 'labels' ? set.labels!.dims : set.inputs[column]!.dims;
  const into = new Float32Array(dims.reduce((product, dim) => product * dim, set.size));
  set.fill(
    column,
    Int32Array.from({ length: set.size }, (_, i) => i),
    into,
  );
  return [...into];
};

describe('readTable', () => {
  it.each([',', ';', '\t', '|'])('tells that %j parts the columns', (mark) => {
    const table = { header: ['a', 'b,;'], rows: [['1.5', 'x']] };
    expect(readTable(`a${mark}"b,;"\n1.5${mark}x\n`, 't.csv')).toEqual(table);
  });

  it('reads quotes, tabs and files without a header', () => {
    expect(readTable('a,b\n1,"x, ""y"""\n', 't.csv')).toEqual({ header: ['a', 'b'], rows: [['1', 'x, "y"']] });
    expect(readTable('a\tb\n1\tthe "end\n', 't.tsv').rows).toEqual([['1', 'the "end']]);
    expect(readTable('1,2\n3,4\n', 't.csv')).toEqual({
      header: ['c0', 'c1'],
      rows: [
        ['1', '2'],
        ['3', '4'],
      ],
    });
  });

  it('names the line that is not like the others', () => {
    expect(() => readTable('a,b\n1,2\n3\n', 't.csv')).toThrow('not a regular table');
    expect(() => readTable('a,b\n', 't.csv')).toThrow('holds no rows');
  });
});

describe('fromCsv', () => {
  const text = 'size,town,kind\n1,Oslo,a\n3,,b\n,Bergen,a\n5,Oslo,b\n';

  it('standardises numbers, one-hots text, and takes missing cells as mean and as none', () => {
    const { train, encoding, notes } = fromCsv(text, 't.csv', { label: 'kind', test: 0 });
    expect(featuresOf(encoding)).toEqual(['size', 'town=Bergen', 'town=Oslo']);
    const s = 2 / Math.sqrt(8 / 3); // 1, 3, 5: mean 3, variance 8 / 3
    expect(values(train, 'x')).toEqual([-s, 0, 1, 0, 0, 0, 0, 1, 0, s, 0, 1].map(Math.fround));
    expect([...classesOf(train), ...train.classes!]).toEqual([0, 1, 0, 1, 'a', 'b']);
    expect(notes).toEqual(['column size: 1 of 4 cells are missing', 'column town: 1 of 4 cells are missing']);
  });

  it('learns the scale from the training rows only, and encodes further rows alike', () => {
    const rows = Array.from({ length: 50 }, (_, i) => `${i * i},${i % 2}`);
    const { train, test, encoding } = fromCsv(`x,y\n${rows.join('\n')}`, 't.csv', { test: 0.3, seed: 1 });
    const x = values(train, 'x');
    expect(x.reduce((sum, value) => sum + value, 0) / x.length).toBeCloseTo(0, 6);
    expect(x.reduce((sum, value) => sum + value * value, 0) / x.length).toBeCloseTo(1, 5);
    expect([train.size, test!.size]).toEqual([35, 15]);
    const again = fromCsv('y,x\n1,100\n', 'more.csv', { encoding: JSON.parse(JSON.stringify(encoding)) });
    const column = encoding.columns[0]!;
    expect(column.kind === 'number' && values(again.train, 'x')[0]).toBeCloseTo(
      (100 - (column as { mean: number }).mean) / (column as { std: number }).std,
      5,
    );
    expect(again.test).toBeUndefined();
  });

  it('tells classes from quantities, unless told', () => {
    const table = (label: (i: number) => string): string =>
      `x,y\n${Array.from({ length: 40 }, (_, i) => `${i},${label(i)}`).join('\n')}`;
    const task = (label: (i: number) => string, options = {}): string =>
      fromCsv(table(label), 't.csv', options).train.task;
    expect(task((i) => `${i % 3}`)).toBe('classification');
    expect(task((i) => ['yes', 'no'][i % 2]!)).toBe('classification');
    expect(task((i) => `${i % 3}.5`)).toBe('regression');
    expect(task((i) => `${i * 7}`)).toBe('regression');
    expect(task((i) => `${i % 3}`, { task: 'regression' })).toBe('regression');
    expect(() => task((i) => `text ${i % 4}`, { task: 'regression' })).toThrow('holds text');
    expect(() => task((i) => `text ${i}`)).toThrow('too many for classes');
  });

  it('leaves out rows without a label, and says so', () => {
    const { train, notes } = fromCsv('x,y\n1,0\n2,\n3,1\n4,0\n5,1\n', 't.csv', { test: 0 });
    expect(train.size).toBe(4);
    expect(notes).toContain('1 rows have no label and were left out');
  });

  it('says what is wrong', () => {
    expect(() => fromCsv(text, 't.csv', { label: 'kin' })).toThrow('did you mean "kind"?');
    const keys = `x,y\n${Array.from({ length: 200 }, (_, i) => `key-${i},${i}`).join('\n')}`;
    expect(() => fromCsv(keys, 't.csv')).toThrow('different texts');
    const { encoding } = fromCsv(text, 't.csv', { label: 'kind', test: 0 });
    expect(() => fromCsv('size,town,kind\n1,Oslo,c\n', 'u.csv', { encoding })).toThrow('a class "c"');
    expect(() => fromCsv('size,town,kind\nbig,Oslo,a\n', 'u.csv', { encoding })).toThrow('holds "big"');
    expect(() => fromCsv('town,kind\nOslo,a\n', 'u.csv', { encoding })).toThrow('no column "size"');
  });
});

const real = [process.env['PARE_DATA'], '../shared/data'].find(
  (path) => path && existsSync(`${path}/tabular/iris.csv`),
);
describe.skipIf(!real)('real tables (skipped without $PARE_DATA or ../shared/data)', () => {
  const open = (file: string, options = {}) => fromCsv(readFileSync(`${real}/tabular/${file}`, 'utf8'), file, options);

  it('opens iris, diabetes and the Californian houses for what they are', () => {
    const iris = open('iris.csv');
    expect([iris.train.task, iris.train.size, iris.test!.size, iris.train.classes]).toEqual([
      'classification',
      120,
      30,
      ['0', '1', '2'],
    ]);
    expect(open('diabetes.csv', { label: 'progression' }).train.task).toBe('regression');
    const houses = open('california_housing.csv', { label: 'median_house_value' });
    expect([houses.train.task, houses.train.inputs['x']!.dims]).toEqual(['regression', [13]]);
    expect(houses.notes).toEqual(['column total_bedrooms: 207 of 20640 cells are missing']);
  });
});
