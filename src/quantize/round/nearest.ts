import { layersOf } from './layer.ts';
import type { Rounding } from './rounding.ts';
import { startingGrid } from './start.ts';

/** To the nearest integer; below 8 bits on the scale whose squared error is least, as the largest weight is then too dear. */
export const nearest: Rounding = {
  about: 'to the nearest integer',
  settlesBias: false,
  run: async ({ calibrated, options }) => {
    const layers = layersOf(calibrated, options).filter(({ bits }) => bits < 7);
    return new Map(
      await Promise.all(layers.map(async (layer) => [layer.weight, await startingGrid(layer, options)] as const)),
    );
  },
};
