/** Files that stand beside a training file and hold its other parts: `sst2_train.tsv` and `sst2_test.tsv`. */

import { join, list } from './disk.ts';

/** Words in file names that mean a part. */
const WORDS = { validation: /^(val|valid|validation|dev)$/i, test: /^(test|testing)$/i };
const TRAIN = /(^|[-_.])(train|training)(?=[-_.])/i;

export interface Siblings {
  readonly validation?: string;
  readonly test?: string;
}

/** The paths of a training file's other parts; none when its name does not say that it is one. */
export async function siblingsOf(path: string): Promise<Siblings> {
  const [, folder = '', name = ''] = /^(.*[/\\])?([^/\\]*)$/.exec(path) ?? [];
  const found = TRAIN.exec(name);
  if (!found) return {};
  const before = name.slice(0, found.index) + found[1];
  const after = name.slice(found.index + found[0].length);
  const { files } = await list(folder || '.');
  const part = (word: RegExp): string | undefined =>
    files.find(
      (file) =>
        file.startsWith(before) &&
        file.endsWith(after) &&
        word.test(file.slice(before.length, file.length - after.length)),
    );
  const [validation, test] = [part(WORDS.validation), part(WORDS.test)];
  return {
    ...(validation && { validation: join(folder || '.', validation) }),
    ...(test && { test: join(folder || '.', test) }),
  };
}
