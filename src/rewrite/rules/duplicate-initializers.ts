/**
 * Initialisers with the same content are stored once.
 *
 * Left alone: floats of one value, repeated or single (biases of zeros, scales), and small codes and zero points: they
 * only happen to be equal today, and would be tied together when the model learns or is quantised on.
 */

import { factsOf, isFloat } from '../../graph/dtype.ts';
import { copyBytes, elements, float32, pieces, sizeOf, type Tensor, tensorBytes } from '../../graph/tensor.ts';
import { type Firing, sweep } from '../rule.ts';
import { values } from '../sample.ts';

const NAME = 'duplicate-initializers';
/** Fewer integers of 8 bits or less than these are zero points rather than weights. */
const SMALL = 64;

const isOneValue = (t: Tensor): boolean => {
  const [first, ...rest] = elements(t).subarray(0, 64) as Float32Array;
  return rest.every((value) => value === first) && (elements(t) as Float32Array).every((value) => value === first);
};

const isByChance = (t: Tensor): boolean =>
  isFloat(t.dtype) ? isOneValue(t) : factsOf(t.dtype).bits <= 8 && t.dtype !== 'bool' && sizeOf(t.dims) < SMALL;

const fingerprints = new WeakMap<Tensor, string>();

/** Some of the bytes as text. */
const fingerprint = (tensor: Tensor): string => {
  const known = fingerprints.get(tensor);
  if (known !== undefined) return known;
  const print = sampled(tensor);
  fingerprints.set(tensor, print);
  return print;
};

/** Of more bytes only a few places are looked at, without reading what lies between them from disk. */
const LARGE = 2 ** 24;

/** Stretches of eight bytes at even distances, the first and the last among them. */
const sampled = (tensor: Tensor): string => {
  const length = tensorBytes(tensor);
  const bytes = length > LARGE ? undefined : tensor.bytes;
  const last = bytes ? 255 : 15;
  let text = '';
  for (let k = 0; k <= last; k++) {
    const at = Math.round((k * Math.max(0, length - 8)) / last);
    const stretch = bytes ? bytes.subarray(at, at + 8) : new Uint8Array(8);
    if (!bytes) copyBytes(tensor, stretch, at);
    text += String.fromCharCode(...stretch);
  }
  return text;
};

const equalBytes = (a: Tensor, b: Tensor): boolean => {
  let at = 0;
  for (const piece of pieces(a)) {
    const other = new Uint8Array(piece.length);
    copyBytes(b, other, at);
    for (let i = 0; i < piece.length; i++) if (piece[i] !== other[i]) return false;
    at += piece.length;
  }
  return true;
};

export const duplicateInitializers = sweep({
  name: NAME,
  about: 'Initialisers with the same content become one.',

  sweep: (edit) => {
    // Content is only looked at where type and dimensions agree: weights that wait on disk stay there.
    const alike = new Map<string, [string, Tensor][]>();
    for (const [name, t] of edit.initializers) {
      if (t.dtype === 'string' || edit.isOutput(name)) continue;
      const key = `${t.dtype} ${t.dims}`;
      const group = alike.get(key);
      if (group) group.push([name, t]);
      else alike.set(key, [[name, t]]);
    }
    const fired: Firing[] = [];
    for (const group of alike.values()) {
      const kept = new Map<string, [string, Tensor][]>();
      for (const [name, t] of group.length > 1 ? group : []) {
        const print = fingerprint(t);
        const likely = kept.get(print) ?? [];
        const twin = likely.find(([, other]) => equalBytes(other, t));
        if (!twin) kept.set(print, [...likely, [name, t]]);
        else if (isByChance(t)) continue;
        else if (edit.redirect(name, twin[0]) === undefined) {
          fired.push({ rule: NAME, node: name, why: `holds what "${twin[0]}" holds` });
        }
      }
    }
    return fired;
  },

  samples: [
    {
      about: 'the same matrix twice',
      leaves: 'MatMul Relu MatMul',
      build: (g) => {
        const x = g.input('x', 'float32', [2, 3]);
        return g.MatMul(g.Relu(g.MatMul(x, values(g, [3, 3]))), values(g, [3, 3]));
      },
    },
    {
      about: 'two vectors of ones',
      build: (g) => {
        const ones = () => g.constant(float32([3], [1, 1, 1]));
        return g.Mul(g.Relu(g.Mul(g.input('x', 'float32', [2, 3]), ones())), ones());
      },
      fires: false,
    },
  ],
});
