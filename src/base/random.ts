/**
 * Seeded random numbers that do not depend on how work is spread: counter-based, keyed by (seed, stream).
 *
 *   block(k, c) = Philox4x32-10 with key k and counter c        four 32-bit words per call
 *
 * Source   Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the product of two unsigned 32-bit numbers. */
const mulHigh = (a: number, b: number): number => {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const mid = aHigh * bLow + (low >>> 16);
  const mid2 = aLow * bHigh + (mid & 0xffff);
  return (aHigh * bHigh + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) >>> 0;
};

/** One Philox4x32-10 block, written into `out`. */
function philox(key: readonly [number, number], counter: ArrayLike<number>, out: Uint32Array): void {
  let [k0, k1] = key;
  let c0 = counter[0]! >>> 0;
  let c1 = counter[1]! >>> 0;
  let c2 = counter[2]! >>> 0;
  let c3 = counter[3]! >>> 0;
  for (let round = 0; round < 10; round++) {
    const h0 = mulHigh(M0, c0);
    const l0 = Math.imul(M0, c0) >>> 0;
    const h1 = mulHigh(M1, c2);
    const l1 = Math.imul(M1, c2) >>> 0;
    [c0, c1, c2, c3] = [(h1 ^ c1 ^ k0) >>> 0, l1, (h0 ^ c3 ^ k1) >>> 0, l0];
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** FNV-1a: a name as a 32-bit number. */
const hash = (text: string): number => {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
};

/** A stream of random numbers. Two streams with the same seed and name give the same numbers everywhere. */
export interface Random {
  /** Uniform 32-bit unsigned integer. */
  bits(): number;
  /** Uniform in [0, 1), 24 bits fine. */
  uniform(): number;
  /** Uniform integer in [0, below). */
  integer(below: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Fisher-Yates, in place. */
  shuffle<T extends { length: number; [index: number]: number }>(items: T): T;
  /** An independent stream, named. */
  stream(name: string | number): Random;
}

/** The stream of numbers that belongs to (seed, name). */
export function random(seed: number, name: string | number = ''): Random {
  const key: [number, number] = [seed >>> 0, hash(`${name}`)];
  const counter = new Uint32Array([0, 0, Math.floor(seed / 2 ** 32) >>> 0, 0]);
  const block = new Uint32Array(4);
  let used = 4;
  let spare: number | undefined;

  const self: Random = {
    bits() {
      if (used === 4) {
        philox(key, counter, block);
        if (++counter[0]! === 0) counter[1]!++;
        used = 0;
      }
      return block[used++]!;
    },
    uniform: () => (self.bits() >>> 8) / 2 ** 24,
    integer: (below) => Math.floor((self.bits() / 2 ** 32) * below),
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - self.uniform()));
      const angle = 2 * Math.PI * self.uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = self.integer(i + 1);
        const kept = items[i]!;
        items[i] = items[j]!;
        items[j] = kept;
      }
      return items;
    },
    stream: (child) => random(seed, `${name}/${child}`),
  };
  return self;
}
