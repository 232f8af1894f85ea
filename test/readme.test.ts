/** The ten lines of the README work as they stand. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it, vi } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'pare-readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('runs the ten lines', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readme)!;
  const source = new URL('../src/index.ts', import.meta.url).href;
  const out = join(folder, 'glyphs.onnx');
  const file = join(folder, 'ten-lines.ts');
  writeFileSync(file, code!.replace("'pare'", JSON.stringify(source)).replace("'glyphs.onnx'", JSON.stringify(out)));
  const said = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await import(/* @vite-ignore */ pathToFileURL(file).href);
  expect(statSync(out).size).toBeGreaterThan(10_000);
  expect(said.mock.calls[0]?.[0]).toMatch(/^\d+ → \d+ multiply-accumulates$/);
  said.mockRestore();
}, 180_000);
