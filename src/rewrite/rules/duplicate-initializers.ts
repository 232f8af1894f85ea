/**
 * Initialisers with the same content are stored once.
 *
 * Left alone: floats of one value, repeated or single (biases of zeros, scales), and small codes and zero points: they
 * only happen to be equal today, and would be tied together when the model learns or is quantised on.
 */

import { factsOf, isFloat } from '../../graph/dtype.ts';
import { elements, float32, sizeOf, type Tensor } from '../../graph/tensor.ts';
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

/** Some of the bytes as text: weights on disk are read once for it, and again only where it agrees. */
const fingerprint = (tensor: Tensor): string => {
  const known = fingerprints.get(tensor);
  if (known !== undefined) return known;
  const print = sampled(tensor.bytes);
  fingerprints.set(tensor, print);
  return print;
};

/** 256 stretches of eight bytes, the first and the last among them. */
const sampled = (bytes: Uint8Array): string => {
  let text = '';
  for (let k = 0; k < 256; k++) {
    const at = Math.round((k * Math.max(0, bytes.length - 8)) / 255);
    text += String.fromCharCode(...bytes.subarray(at, at + 8));
  }
  return text;
};

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
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
        const twin = likely.find(([, other]) => equalBytes(other.bytes, t.bytes));
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
