import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findMpi } from './find-mpi.ts';

it('finds launcher and library, and tells whose they are', () => {
  const home = mkdtempSync(join(tmpdir(), 'pare-mpi-'));
  const [bin, lib] = [join(home, 'bin'), join(home, 'lib')];
  for (const folder of [bin, lib]) mkdirSync(folder);
  writeFileSync(join(bin, 'mpirun'), '');
  for (const name of ['libmpi.so.40', 'libopen-pal.so.40']) writeFileSync(join(lib, name), '');
  expect(findMpi({ PATH: bin })).toEqual({
    available: true,
    mpirun: join(bin, 'mpirun'),
    library: join(lib, 'libmpi.so.40'),
    implementation: 'Open MPI',
  });
  rmSync(home, { recursive: true });
});
