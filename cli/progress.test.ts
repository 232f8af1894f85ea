import { describe, expect, it } from 'vitest';
import { progressBar } from './progress.ts';

const screen = (isTTY: boolean, columns = 80) => {
  let said = '';
  let time = 0;
  const bar = (quiet = false) =>
    progressBar({ write: (text) => (said += text), isTTY, columns: () => columns }, { quiet, now: () => time });
  return { bar, at: (ms: number) => (time = ms), said: () => said };
};

describe('progress', () => {
  it('draws a bar with rate, time left and figures on a terminal, and takes it away', () => {
    const { bar, at, said } = screen(true);
    const one = bar();
    one.show({ task: 'train', done: 0, total: 100 });
    at(1000);
    one.show({ task: 'train', done: 50, total: 100, figures: { loss: 0.12345 } });
    expect(said()).toContain(' 50 %  50/s  1 s left  loss 0.1235');
    expect(said()).toMatch(/━+─+/);
    one.clear();
    expect(said().endsWith('\r\u001b[2K')).toBe(true);
  });

  it.each([20, 40, 60, 120])('fits into %i columns', (columns) => {
    const { bar, at, said } = screen(true, columns);
    const one = bar();
    one.show({ task: 'quantise-aware training', done: 0, total: 9 });
    at(777);
    one.show({ task: 'quantise-aware training', done: 5, total: 9, figures: { loss: 1, accuracy: 0.5 } });
    for (const frame of said().split('\r\u001b[2K')) expect([...frame].length).toBeLessThan(columns);
  });

  it('writes a plain line every few seconds elsewhere', () => {
    const { bar, at, said } = screen(false);
    const one = bar();
    for (let second = 0; second <= 10; second++) {
      at(second * 1000);
      one.show({ task: 'train', done: second, total: 10 });
    }
    expect(said().split('\n')).toEqual([
      'train   40 %  1.0/s  6 s left',
      'train   80 %  1.0/s  2 s left',
      'train  100 %  1.0/s  10 s',
      '',
    ]);
  });

  it('says nothing of short work elsewhere, and nothing at all when quiet', () => {
    const short = screen(false);
    const one = short.bar();
    one.show({ task: 'time', done: 0, total: 1 });
    short.at(100);
    one.show({ task: 'time', done: 1, total: 1 });
    expect(short.said()).toBe('');
    const quiet = screen(true);
    quiet.bar(true).show({ task: 'train', done: 1, total: 2 });
    expect(quiet.said()).toBe('');
  });
});
