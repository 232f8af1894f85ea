/** Progress on stderr: a live bar on a terminal, a plain line every few seconds elsewhere. */

import type { Progress } from '../src/runtime/lab.ts';

export interface Screen {
  readonly write: (text: string) => void;
  readonly isTTY: boolean;
  /** Columns of the terminal; 80 where nobody knows. */
  readonly columns: () => number;
}

export interface ProgressOptions {
  readonly quiet?: boolean;
  /** Milliseconds on any scale. */
  readonly now: () => number;
}

export interface ProgressBar {
  show(progress: Progress): void;
  /** Leaves a line standing above the bar. */
  note(text: string): void;
  /** Takes the bar away. */
  clear(): void;
}

/** Between two frames of the bar, and between two plain lines. */
const FRAME_MS = 80;
const LINE_MS = 4000;
/** Work this short is not announced by plain lines. */
const SHORT_MS = 1500;

/**
 * Shows the progress of one task after another; a new task name begins anew.
 *
 * @example
 * train  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━─────────  75 %  313/s  4 s left  loss 0.0812
 */
export function progressBar(screen: Screen, { quiet = false, now }: ProgressOptions): ProgressBar {
  let [task, start, startDone, last, isDrawn] = ['', 0, 0, Number.NEGATIVE_INFINITY, false];

  const clear = (): void => {
    if (isDrawn) screen.write('\r\u001b[2K');
    isDrawn = false;
  };
  return {
    show(progress) {
      if (quiet || progress.total <= 0) return;
      const time = now();
      if (progress.task !== task || progress.done < startDone) {
        [task, start, startDone] = [progress.task, time, progress.done];
        last = screen.isTTY ? Number.NEGATIVE_INFINITY : time;
      }
      const isDone = progress.done >= progress.total;
      if (screen.isTTY) {
        if (time - last < FRAME_MS && !isDone) return;
        screen.write(`\r\u001b[2K${barLine(progress, time - start, startDone, screen.columns() - 1)}`);
        isDrawn = true;
      } else {
        const isLate = isDone ? time - start > SHORT_MS : time - last >= LINE_MS;
        if (!isLate) return;
        screen.write(`${plainLine(progress, time - start, startDone)}\n`);
      }
      last = time;
    },
    note(text) {
      clear();
      screen.write(`${text}\n`);
    },
    clear,
  };
}

function barLine(progress: Progress, elapsedMs: number, startDone: number, columns: number): string {
  const words = [percent(progress), ...pace(progress, elapsedMs, startDone), ...figures(progress)];
  while (words.length > 1 && progress.task.length + words.join('  ').length + 14 > columns) words.pop();
  const room = Math.max(0, Math.min(40, columns - progress.task.length - words.join('  ').length - 4));
  const full = Math.round((Math.min(1, progress.done / progress.total) * room) | 0);
  const bar = room < 5 ? [] : ['━'.repeat(full) + '─'.repeat(room - full)];
  return [progress.task, ...bar, ...words].join('  ').slice(0, columns);
}

const plainLine = (progress: Progress, elapsedMs: number, startDone: number): string =>
  [progress.task, percent(progress), ...pace(progress, elapsedMs, startDone), ...figures(progress)].join('  ');

const percent = ({ done, total }: Progress): string =>
  `${Math.floor((100 * Math.min(done, total)) / total)}`.padStart(3).concat(' %');

/** Rate and time left, once they can be told. */
function pace({ done, total }: Progress, elapsedMs: number, startDone: number): string[] {
  const steps = done - startDone;
  if (steps <= 0 || elapsedMs <= 0) return [];
  const perSecond = (steps * 1000) / elapsedMs;
  const left = (total - done) / perSecond;
  const rate = `${perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(2)}/s`;
  return done >= total ? [rate, `${showTime(elapsedMs / 1000)}`] : [rate, `${showTime(left)} left`];
}

const showTime = (seconds: number): string => {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
};

const figures = ({ figures: all = {} }: Progress): string[] =>
  Object.entries(all).map(([name, value]) => `${name} ${showFigure(value)}`);

const showFigure = (x: number): string =>
  Number.isInteger(x) ? `${x}` : Math.abs(x) >= 1000 ? x.toFixed(0) : `${Number(x.toPrecision(4))}`;
