/**
 * TypeScript in the documents compiles against the public names.
 * Why: an example that does not compile teaches that nothing here can be trusted.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const docs = existsSync(join(root, 'docs'))
  ? readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join('docs', name))
  : [];
const pages = [...readdirSync(root), ...docs].filter((name) => name.endsWith('.md'));

mkdirSync(join(root, 'dist'), { recursive: true });
const folder = mkdtempSync(join(root, 'dist', 'docs-'));
let count = 0;
try {
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8');
    for (const [, code] of text.matchAll(/```ts\n([\s\S]*?)```/g))
      writeFileSync(join(folder, `block-${++count}.ts`), code);
  }
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: {
      noUnusedLocals: false,
      paths: { pare: ['../../src/index.ts'], 'pare/*': ['../../src/*/index.ts'] },
    },
    include: ['*.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  if (count > 0)
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], { stdio: 'inherit' });
  console.log(`docs: ${count} code block(s) compile`);
} catch {
  console.error('A code block in the documents does not compile (numbered in the order of the pages above).');
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
