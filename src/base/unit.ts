/** Numbers with their units, in words people read: bytes, counts, milliseconds, shares. */

import { PareError } from './error.ts';

const scaled = (value: number, base: number, units: readonly string[]): string => {
  let step = 0;
  let shown = value;
  while (Math.abs(shown) >= base && step < units.length - 1) {
    shown /= base;
    step += 1;
  }
  const digits = step === 0 || Math.abs(shown) >= 100 ? 0 : Math.abs(shown) >= 10 ? 1 : 2;
  return `${shown.toFixed(Number.isInteger(shown) && step === 0 ? 0 : digits)}${units[step]}`;
};

/** 1_234_567 → "1.23 MB" (decimal units, as file managers and app stores count). */
export const showBytes = (bytes: number): string => scaled(bytes, 1000, [' B', ' kB', ' MB', ' GB', ' TB']);
/** 44_909_096 → "44.9 M". */
export const showCount = (count: number): string => scaled(count, 1000, ['', ' k', ' M', ' G', ' T']);
/** 0.01234 ms → "12.3 µs"; 1500 → "1.50 s". */
export const showMs = (ms: number): string =>
  ms < 1 ? `${(ms * 1000).toPrecision(3)} µs` : ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toFixed(2)} s`;
/** 0.9876 → "98.76 %"; below 0 with a minus sign. */
export const showShare = (share: number, digits = 2): string => `${(share * 100).toFixed(digits).replace('-', '−')} %`;
/** Is a share within its bound, but for what arithmetic with shares is off (1 − 0.98 is a little more than 0.02)? */
export const isWithin = (share: number, most: number): boolean => share <= most + 1e-9;
/** 12.3 → "12.3x". */
export const showTimes = (times: number): string => `${times >= 10 ? times.toFixed(1) : times.toFixed(2)}x`;

/**
 * "50%" → 0.5; "0.5" → 0.5.
 *
 * Throws   option/share when it is not a share between 0 and 1.
 */
export function parseShare(text: string, flag: string): number {
  const match = /^\s*([0-9]*\.?[0-9]+)\s*(%?)\s*$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (!(share >= 0 && share <= 1)) {
    throw new PareError('option/share', `${flag} takes a share such as 50% or 0.5, not "${text}".`, {
      where: flag,
      expected: '0% to 100%, or 0 to 1',
      got: text,
    });
  }
  return share;
}

/** Units by kind, each with what it multiplies by. The first is meant where none is written. */
export const UNITS = {
  bytes: { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 },
  milliseconds: { ms: 1, us: 1e-3, µs: 1e-3, s: 1000 },
  duration: { s: 1000, ms: 1, m: 60_000, min: 60_000, h: 3_600_000 },
  count: { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12 },
} as const;

/**
 * "1.5MB" → 1_500_000, as the units of this kind say: bytes, milliseconds, milliseconds of a duration, a count.
 *
 * Throws   option/quantity when it is not a positive number with one of the units.
 *
 * @example
 * parseQuantity('30m', 'duration', '--time-budget') // 1_800_000
 */
export function parseQuantity(text: string, kind: keyof typeof UNITS, flag: string): number {
  const units: Readonly<Record<string, number>> = UNITS[kind];
  const [, digits, written = ''] = /^\s*([0-9]*\.?[0-9]+(?:e[0-9]+)?)\s*([a-zA-Zµ]*)\s*$/.exec(text) ?? [];
  const unit = written === '' ? Object.keys(units)[0]! : written;
  const value = Number(digits) * (Object.hasOwn(units, unit) ? units[unit]! : Number.NaN);
  if (value > 0) return value;
  throw new PareError('option/quantity', `${flag} takes a number with its unit, not "${text}".`, {
    where: flag,
    expected: `a number above 0 and one of ${Object.keys(units).filter(Boolean).join(', ')}`,
    got: text,
  });
}
