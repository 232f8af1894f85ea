/**
 * Imports point to smaller numbers only; rooms with the same number do not import each other.
 * Why: a room can then be read, tested and replaced knowing only the rooms below it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const LEVEL = {
  base: 0,
  linear: 1,
  graph: 1,
  ops: 2,
  onnx: 2,
  runtime: 3,
  grad: 3,
  rewrite: 3,
  cost: 3,
  data: 3,
  nn: 3,
  train: 4,
  prune: 5,
  distill: 5,
  compress: 5,
  quantize: 5,
  parallel: 6,
  report: 6,
  recipe: 7,
  optimize: 8,
  cli: 9,
  studio: 9,
};

const root = fileURLToPath(new URL('..', import.meta.url));
const roomOf = (file) => {
  const parts = relative(root, file).split(sep);
  return parts[0] === 'src' ? parts[1] : parts[0];
};

let offences = 0;
const files = readdirSync(root, { recursive: true, withFileTypes: true });
for (const entry of files) {
  const file = join(entry.parentPath ?? entry.path, entry.name);
  const rel = relative(root, file);
  if (!/^(src|cli|studio)[\\/]/.test(rel) || !/\.tsx?$/.test(rel) || /\.test\.ts$/.test(rel)) continue;
  const from = roomOf(file);
  if (!(from in LEVEL)) continue; // src/index.ts names the public things of every room
  const text = readFileSync(file, 'utf8');
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    const to = roomOf(normalize(join(dirname(file), match[1])));
    if (to === from || !(to in LEVEL)) continue;
    if (LEVEL[to] >= LEVEL[from]) {
      console.error(
        `${rel} imports ${match[1]}: ${from} (level ${LEVEL[from]}) may not use ${to} (level ${LEVEL[to]}).`,
      );
      offences += 1;
    }
  }
}
if (offences) {
  console.error(
    `\n${offences} import(s) point up or sideways. A room knows only the rooms below it: move the shared part down.`,
  );
  process.exit(1);
}
console.log('layers: every import points down');
