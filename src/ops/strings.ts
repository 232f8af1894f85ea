/** Ops on strings. Carried, with shapes. */

import { broadcast } from '../graph/dim.ts';
import { carried } from './carried.ts';
import { floatList, int, ints, text, textList } from './op.ts';

export const StringConcat = carried('StringConcat', {
  inputs: ['X', 'Z'],
  attrs: {},
  shape: ({ X, Z }) => broadcast(X.dims, Z.dims) ?? null,
  grad: 'none',
});

export const StringSplit = carried('StringSplit', {
  inputs: ['X'],
  outputs: ['Y', 'counts'],
  attrs: { delimiter: text(), maxsplit: int() },
  shape: ({ X }) => [
    { dims: [...X.dims, null], dtype: 'string' },
    { dims: X.dims, dtype: 'int64' },
  ],
  grad: 'none',
});

export const RegexFullMatch = carried('RegexFullMatch', {
  inputs: ['X'],
  attrs: { pattern: text() },
  shape: ({ X }) => ({ dims: X.dims, dtype: 'bool' }),
  grad: 'none',
});

export const StringNormalizer = carried('StringNormalizer', {
  inputs: ['X'],
  attrs: { case_change_action: text('NONE'), is_case_sensitive: int(0), locale: text(), stopwords: textList() },
  // Words may be dropped, along the last axis.
  shape: ({ X }, { stopwords }) => X.dims.map((dim, i) => (stopwords && i === X.dims.length - 1 ? null : dim)),
  grad: 'none',
});

export const TfIdfVectorizer = carried('TfIdfVectorizer', {
  inputs: ['X'],
  attrs: {
    max_gram_length: int(1),
    max_skip_count: int(0),
    min_gram_length: int(1),
    mode: text('TF'),
    ngram_counts: ints([]),
    ngram_indexes: ints([]),
    pool_int64s: ints(),
    pool_strings: textList(),
    weights: floatList(),
  },
  shape: ({ X }, { ngram_indexes }) => ({
    dims: [...X.dims.slice(0, -1), Math.max(...ngram_indexes) + 1],
    dtype: 'float32',
  }),
  grad: 'none',
});
