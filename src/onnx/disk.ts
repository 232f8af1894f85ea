/** The file system where there is one. Nothing is imported, so that the browser can load the rooms that use it. */

import { PareError } from '../base/error.ts';

type Builtins = {
  'node:fs': typeof import('node:fs');
  'node:path': typeof import('node:path');
};

/** Node's own module of that name, or undefined where there is none (the browser). */
export const builtin = <K extends keyof Builtins>(name: K): Builtins[K] | undefined =>
  typeof process === 'undefined' ? undefined : (process.getBuiltinModule?.(name) as Builtins[K] | undefined);

/**
 * The file system and its paths.
 *
 * Throws   file/no-disk in the browser.
 */
export function disk(): { fs: Builtins['node:fs']; path: Builtins['node:path'] } {
  const fs = builtin('node:fs');
  const path = builtin('node:path');
  if (!fs || !path) {
    throw new PareError('file/no-disk', 'There is no file system here; pass the bytes instead of a path.', {
      hint: 'readModel(bytes, { external }) and writeModel(model) work everywhere',
    });
  }
  return { fs, path };
}
