/** Sound as the stored networks want to hear it: steps of a recurrent detector, and windows of log-mel frames. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type Dataset, inMemory, readIdx, type Splits } from '../../../src/data/index.ts';
import type { Model } from '../../../src/graph/model.ts';
import { float32, floats, int64 } from '../../../src/graph/tensor.ts';
import type { Lab } from '../../../src/runtime/index.ts';
import { loadModel } from '../../../src/runtime/load-model.ts';

const RATE = 16_000;

/** A minute of speech, −1 to 1. */
function speech(folder: string): Float32Array {
  const bytes = gunzipSync(readFileSync(join(folder, 'sequence/speech16k/silero-test-16k-idx1-int16.gz')));
  return Float32Array.from(readIdx(new Uint8Array(bytes), 'speech').data as Int16Array, (value) => value / 32768);
}

/** The last third of the time judges: nothing in it was heard before. */
const split = (count: number): number => Math.floor((count * 2) / 3);

const CONTEXT = 64;
const STEP = 512;
const STATE = [2, 128] as const;

/** Steps of 32 ms, each with the state that the network itself had come to; `speaks` is what it said at each, 0 to 1. */
export async function steps(model: Model, folder: string, lab: Lab): Promise<Splits & { speaks: Float32Array }> {
  const sound = speech(folder);
  const count = Math.floor(sound.length / STEP);
  const [width, size] = [CONTEXT + STEP, STATE[0] * STATE[1]];
  const [inputs, states] = [new Float32Array(count * width), new Float32Array(count * size)];
  const speaks = new Float32Array(count);
  using session = await loadModel(lab.engine, model, { threads: 1 });
  let state = new Float32Array(size);
  for (let i = 0; i < count; i++) {
    const from = i * STEP - CONTEXT;
    inputs.set(sound.subarray(Math.max(0, from), i * STEP + STEP), i * width + Math.max(0, -from));
    states.set(state, i * size);
    const answers = await session.run({
      input: float32([1, width], inputs.slice(i * width, (i + 1) * width)),
      state: float32([2, 1, 128], state),
      sr: int64([], [RATE]),
    });
    state = Float32Array.from(floats(answers['stateN']!));
    speaks[i] = floats(answers['output']!)[0]!;
  }
  const part = (name: string, from: number, to: number): Dataset =>
    inMemory({
      name,
      inputs: {
        input: { dtype: 'float32', dims: [width], data: inputs.subarray(from * width, to * width) },
        state: { dtype: 'float32', dims: STATE, data: states.subarray(from * size, to * size) },
      },
    });
  const at = split(count);
  return { train: part('speech', 0, at), test: part('speech, later', at, count), speaks };
}

const MEL = { size: 1024, hop: 512, bands: 128, frames: 5 };

/** Windows of five frames of 128 log-mel bands, one a frame. */
export function melWindows(folder: string, input: string): Splits {
  const sound = speech(folder);
  const filters = melFilters();
  const count = Math.floor((sound.length - MEL.size) / MEL.hop) + 1;
  const frames = new Float32Array(count * MEL.bands);
  for (let i = 0; i < count; i++) {
    const power = powerOf(sound.subarray(i * MEL.hop, i * MEL.hop + MEL.size));
    filters.forEach((weights, band) => {
      const energy = weights.reduce((sum, weight, bin) => sum + weight * power[bin]!, 0);
      frames[i * MEL.bands + band] = 10 * Math.log10(energy + Number.EPSILON);
    });
  }
  const width = MEL.bands * MEL.frames;
  const windows = (name: string, from: number, to: number): Dataset => {
    const data = new Float32Array((to - from) * width);
    for (let i = from; i < to; i++) data.set(frames.subarray(i * MEL.bands, i * MEL.bands + width), (i - from) * width);
    return inMemory({ name, inputs: { [input]: { dtype: 'float32', dims: [width], data } } });
  };
  const all = count - MEL.frames + 1;
  const at = split(all);
  return { train: windows('speech', 0, at - MEL.frames), test: windows('speech, later', at, all) };
}

/** |DFT|² of a frame under a Hann window, by halves (Cooley and Tukey 1965). */
function powerOf(frame: Float32Array): Float64Array {
  const n = frame.length;
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  const bits = Math.log2(n);
  for (let i = 0; i < n; i++) {
    let turned = 0;
    for (let b = 0; b < bits; b++) turned |= ((i >> b) & 1) << (bits - 1 - b);
    re[turned] = frame[i]! * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
  }
  for (let half = 1; half < n; half *= 2) {
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const [c, s] = [Math.cos((-Math.PI * k) / half), Math.sin((-Math.PI * k) / half)];
        const [a, b] = [start + k, start + k + half];
        const [x, y] = [re[b]! * c - im[b]! * s, re[b]! * s + im[b]! * c];
        [re[b], im[b]] = [re[a]! - x, im[a]! - y];
        [re[a], im[a]] = [re[a]! + x, im[a]! + y];
      }
    }
  }
  return Float64Array.from({ length: n / 2 + 1 }, (_, i) => re[i]! ** 2 + im[i]! ** 2);
}

/** Triangles of equal area, even on Slaney's mel scale. */
function melFilters(): Float64Array[] {
  const [linear, step] = [200 / 3, Math.log(6.4) / 27];
  const toMel = (hz: number): number => (hz < 1000 ? hz / linear : 15 + Math.log(hz / 1000) / step);
  const toHz = (mel: number): number => (mel < 15 ? mel * linear : 1000 * Math.exp(step * (mel - 15)));
  const top = toMel(RATE / 2);
  const edges = Array.from({ length: MEL.bands + 2 }, (_, i) => toHz((top * i) / (MEL.bands + 1)));
  return Array.from({ length: MEL.bands }, (_, band) => {
    const [low, middle, high] = edges.slice(band, band + 3) as [number, number, number];
    return Float64Array.from({ length: MEL.size / 2 + 1 }, (_, bin) => {
      const hz = (bin * RATE) / MEL.size;
      const rise = Math.min((hz - low) / (middle - low), (high - hz) / (high - middle));
      return (Math.max(0, rise) * 2) / (high - low);
    });
  });
}
