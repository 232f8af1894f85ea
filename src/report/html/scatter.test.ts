import { describe, expect, it } from 'vitest';
import { type Dot, scatter } from './scatter.ts';

const dot = (x: number, y: number, kind: Dot['kind'], label = 'a recipe'): Dot => ({
  x,
  y,
  kind,
  label,
  detail: 'figures',
});
const options = { title: 'Loss', unit: '', showX: (x: number) => `${x}`, showY: (y: number) => `${y}` };
const draw = (dots: readonly Dot[]): string => scatter(dots, { ...options, bound: { y: 0.01, label: 'bound' } }).markup;
/** [x, y] of every dot in the order drawn. */
const places = (markup: string): number[][] =>
  [...markup.matchAll(/<circle cx="([\d.-]+)" cy="([\d.-]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);

describe('scatter', () => {
  it('puts what costs less further left, and what loses less lower', () => {
    const [cheap, original] = places(draw([dot(0.2, 0.005, 'tried'), dot(1, 0, 'original')]));
    expect(cheap![0]!).toBeLessThan(original![0]!);
    expect(cheap![1]!).toBeLessThan(original![1]!);
  });

  it('draws the chosen last, so that nothing hides it', () => {
    const markup = draw([dot(0.2, 0, 'chosen'), dot(1, 0, 'original'), dot(0.5, 0.2, 'tried')]);
    expect([...markup.matchAll(/class="dot (\w+)"/g)].map(([, kind]) => kind)).toEqual(['tried', 'original', 'chosen']);
  });

  it('stays inside its frame, whatever the values', () => {
    for (const dots of [[dot(1, 0, 'original')], [dot(1e-9, -0.5, 'tried'), dot(1e9, 1, 'tried')]]) {
      for (const [x, y] of places(draw(dots))) {
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x).toBeLessThanOrEqual(560);
        expect(y).toBeGreaterThanOrEqual(0);
        expect(y).toBeLessThanOrEqual(340);
      }
    }
  });

  it('escapes what it is told', () => {
    expect(draw([dot(1, 0, 'original', '<script>')])).not.toContain('<script>');
  });
});
