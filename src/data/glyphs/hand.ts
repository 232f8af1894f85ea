/** A hand: writes one glyph its own way, slanted, stretched, trembling, on a dirty sheet. */

import type { Random } from '../../base/random.ts';
import { draw } from './raster.ts';
import { flatten, type Stroke } from './strokes.ts';

/** How far hands may stray. Lengths are shares of the glyph, angles radians. */
export interface Wildness {
  readonly turn: number;
  readonly slant: number;
  /** Smallest and largest side of the glyph, as a share of the picture. */
  readonly tall: readonly [number, number];
  readonly wide: readonly [number, number];
  /** Half-width of the offset from the middle, as a share of the picture. */
  readonly offset: number;
  /** Standard deviation of a control point. */
  readonly tremble: number;
  /** Amplitude of the smooth warp of the plane. */
  readonly warp: number;
  /** Half-width of the pen, as a share of the picture. */
  readonly pen: readonly [number, number];
  /** Standard deviation of the grain of a pixel, of 255. */
  readonly grain: number;
  /** Most stray strokes on the sheet. */
  readonly stray: number;
}

export const WILD: Wildness = {
  turn: 0.17,
  slant: 0.21,
  tall: [0.55, 0.8],
  wide: [0.36, 0.66],
  offset: 0.06,
  tremble: 0.019,
  warp: 0.041,
  pen: [0.022, 0.058],
  grain: 9,
  stray: 1,
};

const between = (r: Random, [low, high]: readonly [number, number]): number => low + (high - low) * r.uniform();
const about = (r: Random, half: number): number => (2 * r.uniform() - 1) * half;

/** A picture in the making; `ink` is used again for every one. */
export interface Sheet {
  readonly size: number;
  readonly channels: 1 | 3;
  readonly ink: Float32Array;
}

/**
 * Writes one glyph.
 *
 * Shapes   out holds [channels, size, size] from `at` on, 0 to 255.
 */
export function write(
  strokes: readonly Stroke[],
  r: Random,
  wild: Wildness,
  sheet: Sheet,
  out: Uint8Array,
  at: number,
): void {
  const { size, channels, ink } = sheet;
  ink.fill(0);
  const place = placing(r, wild, size);
  const radius = between(r, wild.pen) * size;
  const soft = (0.7 + 1.1 * r.uniform()) * Math.max(1, size / 28);
  for (const stroke of strokes) {
    const shaky = stroke.points.map((value) => value + wild.tremble * r.normal());
    draw(ink, size, place(flatten({ ...stroke, points: shaky })), radius, soft);
  }
  for (let k = r.integer(wild.stray + 1); k > 0; k--) draw(ink, size, strayStroke(r, size), radius * 0.8, soft);
  develop(r, wild.grain, { size, channels, ink }, out, at);
}

/**
 * The map from the glyph's square to pixels: a smooth warp, then slant, size and turn about the middle, then an offset.
 *
 *   u' = u + w sin(2π (f · p) + φ)         p = (u, v), one wave for u' and one for v'
 */
function placing(r: Random, wild: Wildness, size: number): (points: number[]) => number[] {
  const height = between(r, wild.tall) * size;
  const width = between(r, wild.wide) * size;
  const turn = about(r, wild.turn);
  const slant = about(r, wild.slant);
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const middleX = size * (0.5 + about(r, wild.offset));
  const middleY = size * (0.5 + about(r, wild.offset));
  const waves = [0, 1].map(() => ({
    fu: about(r, 1),
    fv: about(r, 1),
    phase: r.uniform(),
    height: wild.warp * (0.5 + r.uniform()),
  }));
  return (points) => {
    const out = new Array<number>(points.length);
    for (let p = 0; p < points.length; p += 2) {
      const [u, v] = [points[p]!, points[p + 1]!];
      const [du, dv] = waves.map((w) => w.height * Math.sin(2 * Math.PI * (w.fu * u + w.fv * v + w.phase)));
      const y = (v + dv! - 0.5) * height;
      const x = (u + du! - 0.5) * width - slant * y;
      out[p] = middleX + cos * x - sin * y;
      out[p + 1] = middleY + sin * x + cos * y;
    }
    return out;
  };
}

/** A short scratch anywhere on the sheet. */
function strayStroke(r: Random, size: number): number[] {
  const x = r.uniform() * size;
  const y = r.uniform() * size;
  const angle = 2 * Math.PI * r.uniform();
  const length = (0.08 + 0.17 * r.uniform()) * size;
  return [x, y, x + length * Math.cos(angle), y + length * Math.sin(angle)];
}

/** Ink and paper with their colours and grain, as bytes. */
function develop(r: Random, grain: number, { size, channels, ink }: Sheet, out: Uint8Array, at: number): void {
  const area = size * size;
  const paper = 60 * r.uniform();
  const dark = 135 + 120 * r.uniform();
  const light = { x: about(r, 25) / size, y: about(r, 25) / size };
  let noise = r.bits() | 1;
  for (let c = 0; c < channels; c++) {
    const low = channels === 1 ? paper : Math.max(0, paper + about(r, 35));
    const high = channels === 1 ? dark : Math.min(255, Math.max(low + 70, dark + about(r, 60)));
    for (let y = 0, i = 0; y < size; y++) {
      for (let x = 0; x < size; x++, i++) {
        // xorshift32, seeded from the picture's own stream: a Philox block a pixel would be most of the time spent
        noise ^= noise << 13;
        noise ^= noise >>> 17;
        noise ^= noise << 5;
        // the sum of two bytes: a triangle of standard deviation 104.5
        const speck = (((noise & 255) + ((noise >>> 8) & 255) - 255) * grain) / 104.5;
        const value = low + ink[i]! * (high - low) + light.x * x + light.y * y + speck;
        out[at + c * area + i] = Math.max(0, Math.min(255, value));
      }
    }
  }
}
