/**
 * The optimisers' update of 44 million weights, beside a copy of memory.
 *
 * Run      npm run build && node dist/bench/optim/main.js [weights in millions, default 44] [name …]
 * Prints   bytes read and written per second, counted as the kernel is written; a copy reads and writes each byte once.
 *          Rounds are interleaved; medians of seven, with the smallest and largest. Each ratio is to the copy of its own round.
 */

import { random } from '../../src/base/random.ts';
import { createArena, optimizers, type RunningOptimizer } from '../../src/train/optim/index.ts';

const ROUNDS = 7;
const SPLITS = 60; // parameters of equal size, as a model has many

type Name = keyof typeof optimizers;
const [millions = '44', ...asked] = process.argv.slice(2);
const weights = Math.round(Number(millions) * 1e6);
const names = (asked.length > 0 ? asked : Object.keys(optimizers)) as Name[];

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const secondsOf = (work: () => void): number => {
  const from = performance.now();
  work();
  return (performance.now() - from) / 1000;
};

/** An optimiser on fresh random weights and gradients, two steps in. */
function prepare(name: Name): RunningOptimizer {
  const optimizer = name === 'sgd' ? optimizers.sgd({ momentum: 0.9 }) : optimizers[name]();
  const each = Math.floor(weights / SPLITS);
  const specs = Array.from({ length: SPLITS }, (_, i) => ({ name: `p${i}`, length: each }));
  const arena = createArena(specs, { slots: optimizer.slots });
  const source = random(1, name);
  const noise = Float32Array.from({ length: 65536 }, () => source.normal());
  for (const slot of ['w', 'g']) {
    const segment = arena.segment(slot);
    for (let i = 0; i < segment.length; i += noise.length) segment.set(noise.subarray(0, segment.length - i), i);
  }
  const running = optimizer.start(arena);
  running.step();
  running.step();
  return running;
}

const from = new Float32Array(weights).fill(1);
const to = new Float32Array(weights);
const copy = (): void => to.set(from);
copy();

console.log(`${weights / 1e6} M weights, ${process.version}, ${ROUNDS} interleaved rounds, median (least … most)`);
console.log('                 ms                         GB/s    copy GB/s   of the copy');
for (const name of names) {
  const running = prepare(name);
  const bytes = running.bytesPerStep();
  const updates: number[] = [];
  const copies: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    copies.push(secondsOf(copy));
    updates.push(secondsOf(() => running.step()));
  }
  const share = median(updates.map((seconds, i) => bytes / seconds / ((8 * weights) / copies[i]!)));
  const ms = updates.map((seconds) => seconds * 1000);
  const range = `${median(ms).toFixed(1)} (${Math.min(...ms).toFixed(1)} … ${Math.max(...ms).toFixed(1)})`;
  const speed = (bytes / median(updates) / 1e9).toFixed(1);
  const copySpeed = ((8 * weights) / median(copies) / 1e9).toFixed(1);
  console.log(
    `${name.padEnd(14)} ${range.padEnd(26)} ${speed.padStart(6)} ${copySpeed.padStart(11)} ${share.toFixed(2).padStart(12)}x`,
  );
}
