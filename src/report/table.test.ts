import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { paintFor, plain, table, widthOf } from './table.ts';

describe('table', () => {
  it('aligns, and leaves out what is blank everywhere', () => {
    const columns = [{ title: 'model', align: 'left' as const }, { title: 'size' }, { title: 'unused' }];
    expect(
      table(columns, [
        ['before', '1.20 MB', ''],
        ['after', '98.4 kB', ''],
      ]),
    ).toBe('model      size\nbefore  1.20 MB\nafter   98.4 kB');
  });

  it('counts colours as nothing and wide signs as two', () => {
    const paint = paintFor({ isTTY: true }, {});
    expect(widthOf(paint('red', 'abc'))).toBe(3);
    expect(widthOf('漢字')).toBe(4);
    expect(widthOf('e\u0301')).toBe(1);
    const lines = table(
      [{ title: 'x', align: 'left' }, { title: 'y' }],
      [
        [paint('bold', 'a'), '1'],
        ['bcd', '22'],
      ],
    ).split('\n');
    expect(lines.map((line) => stripVTControlCharacters(line).length)).toEqual([7, 7, 7]);
  });

  it.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: false }, {}, false],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
    [{ isTTY: false }, { FORCE_COLOR: '1' }, true],
    [{ isTTY: true }, { NO_COLOR: '1', FORCE_COLOR: '' }, false],
  ])('on %j with %j colours: %s', (stream, env, isColoured) => {
    expect(paintFor(stream, env)('green', 'x') !== plain('green', 'x')).toBe(isColoured);
  });
});
