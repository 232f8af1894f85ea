import { describe, expect, it } from 'vitest';
import { inMemory } from './dataset.ts';
import { type ImageOptions, imageColumn, normalisation } from './preprocess.ts';

const seen = (pixels: number[], channels: 1 | 3, options: ImageOptions): number[] => {
  const shape = { channels, height: 1, width: pixels.length / channels, layout: 'nhwc' } as const;
  const set = inMemory({ name: 'one', inputs: { x: imageColumn(Uint8Array.from(pixels), shape, options) } });
  const into = new Float32Array(pixels.length);
  set.fill('x', [0], into);
  return [...into];
};

describe('presets', () => {
  it('imagenet is (x / 255 - mean) / std by channel, in both layouts', () => {
    const want = [0, 128, 255].map((x, c) => (x / 255 - [0.485, 0.456, 0.406][c]!) / [0.229, 0.224, 0.225][c]!);
    for (const layout of ['nchw', 'nhwc'] as const) {
      seen([0, 128, 255], 3, { preset: 'imagenet', layout }).forEach(
        (value, c) => void expect(value).toBeCloseTo(want[c]!, 6),
      );
    }
  });

  it('unit is 0 to 1 and raw the bytes; mean, std and scale win over the preset', () => {
    expect(seen([0, 255], 1, {})).toEqual([0, 1]);
    expect(seen([0, 255], 1, { preset: 'raw' })).toEqual([0, 255]);
    expect(seen([0, 255], 1, { mean: [0.5], std: [0.5] })).toEqual([-1, 1]);
    expect(seen([7], 1, { preset: 'raw', scale: 2, mean: [4] })).toEqual([10]);
  });

  it('refuses what fits no channels', () => {
    expect(() => normalisation({ mean: [1, 2] }, 3)).toThrow('does not fit 3 channels');
    expect(() => normalisation({ std: [0] }, 1)).toThrow('above 0');
    expect(() => normalisation({ preset: 'imagenett' as 'imagenet' }, 3)).toThrow('did you mean "imagenet"');
  });
});
