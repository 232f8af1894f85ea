/** Source files as plain JavaScript, for tests that need a process of their own. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Transpiles `entry` and all that it imports into a folder inside the package, where its dependencies are found. */
export function transpiled(entry: string, name: string): { path: string; remove(): void } {
  const folder = join(root, 'node_modules', '.cache', `${name}-${process.pid}`);
  const outOf = (file: string): string => join(folder, relative(root, file)).replace(/\.ts$/, '.js');
  const seen = new Set<string>();
  const queue = [resolve(root, entry)];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const source = readFileSync(file, 'utf8');
    for (const [, path] of source.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+\.ts)'/g)) {
      const target = resolve(dirname(file), path!);
      if (existsSync(target)) queue.push(target);
    }
    const { outputText } = transpileModule(source, {
      compilerOptions: {
        target: ScriptTarget.ES2022,
        module: ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const out = outOf(file);
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, outputText);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return { path: outOf(resolve(root, entry)), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
