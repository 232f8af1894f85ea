/** The embedded data set: digits and letters drawn by seeded hands, so that everything can be tried without a network. */

import { PareError } from '../base/error.ts';
import { random } from '../base/random.ts';
import { type Dataset, inMemory } from './dataset.ts';
import { type Sheet, WILD, write } from './glyphs/hand.ts';
import { STROKES } from './glyphs/strokes.ts';
import { type ImageOptions, imageColumn } from './preprocess.ts';

export interface GlyphOptions extends Pick<ImageOptions, 'preset' | 'mean' | 'std' | 'scale' | 'layout'> {
  /** Pictures to train on. Default 10,000. */
  readonly train?: number;
  /** Pictures to test on. Default 2,000. */
  readonly test?: number;
  /** Side of a picture in pixels, 16 to 256. Default 28. */
  readonly size?: number;
  /** 1 is grey, 3 is coloured ink on coloured paper. Default 1. */
  readonly channels?: 1 | 3;
  /** Default 0. */
  readonly seed?: number;
}

/** The names of the 20 classes, by class number: ten digits, ten letters. */
export const GLYPHS: readonly string[] = Object.keys(STROKES);

/**
 * Pictures of handwritten digits and letters: 20 balanced classes (picture i shows class i mod 20).
 *
 * Picture i of a part depends on (seed, part, i) only, so a longer set begins with the shorter one.
 * Shapes   input `x` [channels, size, size], by default stored / 255; labels [].
 * Throws   data/glyphs when an option is outside its range.
 */
export function glyphs(options: GlyphOptions = {}): { train: Dataset; test: Dataset } {
  const { train = 10_000, test = 2_000, size = 28, channels = 1, seed = 0 } = options;
  const whole = (value: number, low: number, high: number): boolean =>
    Number.isInteger(value) && value >= low && value <= high;
  if (!whole(size, 16, 256) || !whole(train, 1, 1e7) || !whole(test, 1, 1e7) || (channels !== 1 && channels !== 3)) {
    throw new PareError('data/glyphs', 'The glyphs cannot be drawn like that.', {
      expected: 'size 16 to 256, at least one picture in each part, 1 or 3 channels',
      got: `size ${size}, train ${train}, test ${test}, channels ${channels}`,
    });
  }
  const part = (name: string, count: number): Dataset => {
    const sheet: Sheet = { size, channels, ink: new Float32Array(size * size) };
    const pixels = new Uint8Array(count * channels * size * size);
    const labels = new BigInt64Array(count);
    for (let i = 0; i < count; i++) {
      const label = i % GLYPHS.length;
      const r = random(seed, `glyphs/${name}/${i}`);
      const ways = STROKES[GLYPHS[label]!]!;
      write(ways[r.integer(ways.length)]!, r, WILD, sheet, pixels, i * channels * size * size);
      labels[i] = BigInt(label);
    }
    return inMemory({
      name: `glyphs (${name})`,
      inputs: { x: imageColumn(pixels, { channels, height: size, width: size, layout: 'nchw' }, options) },
      labels: { dtype: 'int64', dims: [], data: labels },
      classes: GLYPHS,
    });
  };
  return { train: part('train', train), test: part('test', test) };
}
