/** Models of gigabytes: looking at one takes next to no memory, and rewriting one little more than its weights. */

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { float32, floats } from '../../src/graph/tensor.ts';
import { readModelFile, writeModelFile } from '../../src/onnx/index.ts';
import { transpiled } from '../train/transpiled.ts';
import { writeLargeModel } from './large-model.ts';

/** The files are sparse; where a file system cannot do that, they take what they say. */
const NEEDED = 6e9;
const space = statfsSync(tmpdir());
const hasRoom = space.bavail * space.bsize > NEEDED;
const run = promisify(execFile);

describe.skipIf(!hasRoom)('a model of gigabytes (skipped with less than 6 GB of free disk)', () => {
  let folder = '';
  let child: ReturnType<typeof transpiled>;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pare-large-'));
    child = transpiled('test/large/child.ts', 'pare-large');
  }, 240_000);
  afterAll(() => {
    child.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  const inChild = async (...args: string[]) =>
    JSON.parse((await run(process.execPath, [child.path, ...args])).stdout) as Record<string, number>;

  it.each([
    ['beside', 22],
    ['inside', 14],
  ] as const)('is inspected within 200 MB and a twentieth of its size, its weights %s it', async (where, layers) => {
    const home = join(folder, `inspect-${where}`);
    mkdirSync(home);
    const { file, bytes } = writeLargeModel(home, layers, where);
    const seen = await inChild('inspect', file);
    expect(bytes).toBeGreaterThan(where === 'beside' ? 2.9e9 : 1.8e9);
    expect(seen).toMatchObject({ bytes, macs: layers * 4096 * 8192 });
    expect(seen.peakBytes).toBeLessThan(200e6 + 0.05 * bytes);
  });

  it('is rewritten within 1.3 times its size', { timeout: 240_000 }, async () => {
    const home = join(folder, 'rewrite');
    mkdirSync(home);
    const { file, bytes } = writeLargeModel(home, 22, 'beside');
    const { fired, peakBytes } = await inChild('rewrite', file, join(home, 'lean.onnx'));
    expect(fired).toBeGreaterThanOrEqual(44); // an Identity and an Add for each layer
    expect(peakBytes).toBeLessThan(1.3 * bytes);
    const lean = await readModelFile(join(home, 'lean.onnx'));
    const last = floats(lean.graph.initializers.get('w21')!);
    expect([last[0], last.at(-1)]).toEqual([22, -21]);
  });

  it('keeps a weight that lies inside when another one changes', async () => {
    const home = join(folder, 'edit');
    mkdirSync(home);
    const { file, bytes } = writeLargeModel(home, 1, 'inside');
    const model = await readModelFile(file);
    const initializers = new Map([
      ...model.graph.initializers,
      ['b0', float32([8192], new Float32Array(8192).fill(7))],
    ]);
    const out = join(home, 'edited.onnx');
    expect(await writeModelFile(out, { ...model, graph: { ...model.graph, initializers } })).toEqual([
      { path: out, bytes },
    ]);
    const edited = (await readModelFile(out)).graph.initializers;
    expect(floats(edited.get('b0')!)[0]).toBe(7);
    expect(Buffer.compare(edited.get('w0')!.bytes, model.graph.initializers.get('w0')!.bytes)).toBe(0);
  });
});
