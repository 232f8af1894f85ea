/** Changes to one image that leave its class as it is. */

import type { ImageSize, ImageTransform } from './augment.ts';

/** Mirrors left and right with probability `share`. Default a half. */
export const flip =
  (share = 0.5): ImageTransform =>
  (image, { channels, height, width }, random, out) => {
    out.set(image);
    if (random.uniform() < share) {
      for (let row = 0; row < channels * height; row++) out.subarray(row * width, (row + 1) * width).reverse();
    }
  };

/** A window of the image's own size out of the image with `pixels` zeros around it: a shift of at most so many pixels. */
export const shiftCrop =
  (pixels: number): ImageTransform =>
  (image, size, random, out) => {
    const draw = (): number => random.integer(2 * pixels + 1) - pixels;
    const [down, right] = [draw(), draw()];
    shift(image, size, down, right, out);
  };

export function shift(
  image: Float32Array,
  { channels, height, width }: ImageSize,
  down: number,
  right: number,
  out: Float32Array,
): void {
  out.fill(0);
  const [from, to] = [Math.max(0, -right), Math.min(width, width - right)];
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const source = y + down;
      if (source < 0 || source >= height) continue;
      const [write, read] = [(c * height + y) * width, (c * height + source) * width + right];
      out.set(image.subarray(read + from, read + to), write + from);
    }
  }
}

/** Turns by up to `degrees` either way, bilinear; zeros come in at the corners. */
export const rotate =
  (degrees: number): ImageTransform =>
  (image, size, random, out) => {
    const angle = ((2 * random.uniform() - 1) * degrees * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    warp(image, size, [cos, -sin, sin, cos], out);
  };

/** Sizes by a factor between 1 − `share` and 1 + `share`, about the middle. */
export const zoom =
  (share: number): ImageTransform =>
  (image, size, random, out) => {
    const factor = 1 / (1 + share * (2 * random.uniform() - 1));
    warp(image, size, [factor, 0, 0, factor], out);
  };

/** out(p) = image(M p) about the middle, bilinear, 0 outside. M by rows: [yy, yx, xy, xx]. */
export function warp(
  image: Float32Array,
  { channels, height, width }: ImageSize,
  [yy, yx, xy, xx]: readonly [number, number, number, number],
  out: Float32Array,
): void {
  const [middleY, middleX] = [(height - 1) / 2, (width - 1) / 2];
  const area = height * width;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [dy, dx] = [y - middleY, x - middleX];
      const [sy, sx] = [middleY + yy * dy + yx * dx, middleX + xy * dy + xx * dx];
      const [top, left] = [Math.floor(sy), Math.floor(sx)];
      const [fy, fx] = [sy - top, sx - left];
      for (let c = 0; c < channels; c++) {
        const read = (row: number, column: number): number =>
          row < 0 || column < 0 || row >= height || column >= width ? 0 : image[c * area + row * width + column]!;
        out[c * area + y * width + x] =
          (1 - fy) * ((1 - fx) * read(top, left) + fx * read(top, left + 1)) +
          fy * ((1 - fx) * read(top + 1, left) + fx * read(top + 1, left + 1));
      }
    }
  }
}

/**
 * Brightness, contrast and saturation: all numbers times 1 ± `contrast` plus ± `brightness` (in standard deviations), and the distance of each
 * channel from the pixel's grey times 1 ± `saturation`. Defaults 0.2, 0.2 and 0.
 */
export const colour =
  ({
    brightness = 0.2,
    contrast = 0.2,
    saturation = 0,
  }: {
    brightness?: number;
    contrast?: number;
    saturation?: number;
  } = {}): ImageTransform =>
  (image, { channels, height, width }, random, out) => {
    const draw = (most: number): number => most * (2 * random.uniform() - 1);
    const [factor, more] = [1 + draw(contrast), draw(brightness)];
    for (let i = 0; i < image.length; i++) out[i] = image[i]! * factor + more;
    if (saturation === 0 || channels === 1) return;
    const keep = 1 + draw(saturation);
    const area = height * width;
    for (let i = 0; i < area; i++) {
      let grey = 0;
      for (let c = 0; c < channels; c++) grey += out[c * area + i]! / channels;
      for (let c = 0; c < channels; c++) out[c * area + i] = grey + (out[c * area + i]! - grey) * keep;
    }
  };

/** Blanks one rectangle of `area` (default 2 to 20 %) of the image with probability `share`. Zhong et al. 2020, arXiv:1708.04896. */
export const erase =
  ({ share = 0.5, area = [0.02, 0.2] }: { share?: number; area?: readonly [number, number] } = {}): ImageTransform =>
  (image, { channels, height, width }, random, out) => {
    out.set(image);
    if (random.uniform() >= share) return;
    const size = height * width * (area[0] + random.uniform() * (area[1] - area[0]));
    const aspect = Math.exp((random.uniform() * 2 - 1) * Math.log(3.3));
    const tall = Math.min(height, Math.max(1, Math.round(Math.sqrt(size * aspect))));
    const wide = Math.min(width, Math.max(1, Math.round(Math.sqrt(size / aspect))));
    const [y, x] = [random.integer(height - tall + 1), random.integer(width - wide + 1)];
    for (let c = 0; c < channels; c++) {
      for (let row = y; row < y + tall; row++) {
        const at = (c * height + row) * width + x;
        out.fill(0, at, at + wide);
      }
    }
  };
