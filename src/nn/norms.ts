/** Normalisation that does not depend on the batch. */

import { constant } from './initializer.ts';
import { fixed, type Layer } from './layer.ts';

/** Mean 0 and variance 1 over the last axis, then scale and shift. Ba et al. 2016, arXiv:1607.06450. */
export const layerNorm =
  ({ epsilon = 1e-5 }: { epsilon?: number } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('layerNorm');
    const size = [fixed(x.dims[x.dims.length - 1])];
    const operands = [x, weight(`${layer}.weight`, size, constant(1)), weight(`${layer}.bias`, size, constant(0))];
    return g.emit('LayerNormalization', operands, { axis: -1, epsilon }, { name: layer })[0]!;
  };

/** Mean square 1 over the last axis, then scale. Zhang and Sennrich 2019, arXiv:1910.07467. The model then needs opset 23. */
export const rmsNorm =
  ({ epsilon = 1e-5 }: { epsilon?: number } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('rmsNorm');
    const scale = weight(`${layer}.weight`, [fixed(x.dims[x.dims.length - 1])], constant(1));
    return g.emit('RMSNormalization', [x, scale], { axis: -1, epsilon }, { name: layer })[0]!;
  };

/** Mean 0 and variance 1 over each of `groups` groups of channels of [N, C, ...]. Wu and He 2018, arXiv:1803.08494. */
export const groupNorm =
  (groups: number, { epsilon = 1e-5 }: { epsilon?: number } = {}): Layer =>
  (x, { g, name, weight }) => {
    const layer = name('groupNorm');
    const channels = [fixed(x.dims[1])];
    const operands = [
      x,
      weight(`${layer}.weight`, channels, constant(1)),
      weight(`${layer}.bias`, channels, constant(0)),
    ];
    return g.emit('GroupNormalization', operands, { num_groups: groups, epsilon }, { name: layer })[0]!;
  };
