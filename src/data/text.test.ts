import { describe, expect, it } from 'vitest';
import { bind } from './port.ts';
import { fromTable } from './split-table.ts';
import { encodeTable } from './table.ts';
import { fitText, textEncoder } from './text.ts';

const encoded = (encoding: ReturnType<typeof fitText>, text: string): number[] => {
  const into = new Int32Array(encoding.length);
  textEncoder(encoding)(text, into);
  return [...into];
};

describe('a learnt vocabulary', () => {
  const encoding = fitText(['the cat sat', 'The cat ran !', 'a dog'], { length: 4 });

  it('ranks words by how often they stand in the training texts', () => {
    expect(encoded(encoding, 'cat the CAT')).toEqual([2, 3, 2, 0]); // both twice: in alphabetical order
    expect(encoding.size).toBe(2 + 7);
  });

  it('fills up with 0, cuts what is too long, and has one id for what is unknown', () => {
    expect(encoded(encoding, 'the zebra')).toEqual([3, 1, 0, 0]);
    expect(encoded(encoding, 'the the the the the')).toEqual([3, 3, 3, 3]);
    expect(encoded(encoding, '')).toEqual([0, 0, 0, 0]);
  });

  it('keeps no more words than asked, and survives JSON', () => {
    const small = fitText(['b b a', 'c c c'], { vocabulary: 4 });
    expect(small.size).toBe(4);
    const again = JSON.parse(JSON.stringify(small)) as typeof small;
    expect(encoded(again, 'c b a')).toEqual([2, 3, 1]);
  });

  it('takes the length that 99 % of the texts need', () => {
    const texts = Array.from({ length: 200 }, (_, i) => 'w '.repeat(i === 7 ? 90 : 5));
    expect(fitText(texts).length).toBe(5);
  });
});

it("uses a model's own tokenizer", () => {
  const tokenizer = {
    normalizer: { type: 'BertNormalizer', lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      vocab: { '[PAD]': 0, '[UNK]': 1, play: 2, '##ing': 3, '!': 4 },
    },
  };
  expect(encoded(fitText([], { tokenizer, length: 5 }), 'Playing! xyz')).toEqual([2, 3, 4, 1, 0]);
  expect(() => fitText(['a'], { tokenizer: { model: { type: 'nonsense' } } })).toThrow('cannot be used');
});

describe('a table with prose', () => {
  const rows = Array.from({ length: 300 }, (_, i) => [`${i % 2}`, `sentence number ${i} of some`]);
  const table = { header: ['label', 'text'], rows };

  it('becomes token ids, the vocabulary learnt from the training rows', () => {
    const { train, test, encoding } = fromTable(table, 'texts.tsv');
    expect(train.inputs['text']).toMatchObject({ dtype: 'int64', dims: [5] });
    expect(train.inputs['text']!.tokens).toBe(2 + 4 + 240); // the numbers of held-back rows are not known
    expect([train.size, test!.size]).toEqual([240, 60]);
    const ids = new BigInt64Array(5);
    test!.fill('text', [0], ids);
    expect(ids[2]).toBe(1n);
    const further = encodeTable('further', { header: ['text'], rows: [['sentence of nothing']] }, encoding).dataset;
    further.fill('text', [0], ids);
    expect([...ids].slice(2)).toEqual([1n, 0n, 0n]);
  });

  it('feeds a lone port whatever it is called, and keeps classes in their shares', () => {
    const { test } = fromTable(table, 'texts.tsv');
    const bound = bind(test!, [{ name: 'tokens', dtype: 'int64', dims: ['N', 5] }]);
    expect(Object.keys(bound.inputs)).toEqual(['tokens']);
    const labels = new BigInt64Array(60);
    bound.fill(
      'labels',
      Array.from({ length: 60 }, (_, i) => i),
      labels,
    );
    expect(labels.filter((label) => label === 1n).length).toBe(30);
  });

  it('takes test rows of their own in place of held-back ones', () => {
    const { train, test } = fromTable(
      table,
      'texts.tsv',
      {},
      { test: { header: table.header, rows: rows.slice(0, 9) } },
    );
    expect([train.size, test!.size]).toEqual([300, 9]);
  });
});
