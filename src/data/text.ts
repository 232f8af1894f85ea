/** Prose as token ids of a fixed length: by a vocabulary learnt from the training texts, or by a tokenizer.json that came with a model. */

import { Tokenizer } from '@huggingface/tokenizers';
import { PareError } from '../base/error.ts';

/** What a `tokenizer.json` holds. */
export type TokenizerJson = Readonly<Record<string, unknown>>;

/** All that is needed to encode further texts in the same way; plain JSON. */
export interface TextEncoding {
  readonly tokenizer: TokenizerJson;
  /** Tokens per text: longer ones are cut, shorter ones filled up with `padding`. */
  readonly length: number;
  /** Number of different ids. */
  readonly size: number;
  readonly padding: number;
  /** From the training texts, rather than given. */
  readonly isLearnt: boolean;
}

export interface TextOptions {
  /** Tokens per text. Default: what 99 % of the training texts need, at most 512. */
  readonly length?: number;
  /** Most entries of a vocabulary that is learnt. Default 20 000. */
  readonly vocabulary?: number;
  /** A model's own tokenizer, in place of a learnt vocabulary. */
  readonly tokenizer?: TokenizerJson;
}

const [PADDING, UNKNOWN] = ['[PAD]', '[UNK]'];
const LONGEST = 512;
const MOST_WORDS = 20_000;
/** Share of the texts that are not cut. */
const WHOLE = 0.99;

/**
 * How texts become ids: the tokenizer given, or lower-cased words and punctuation, ranked by how often these texts have them.
 *
 * Learnt ids: 0 fills up, 1 stands for what is unknown, then the words; ties in alphabetical order.
 * Throws   data/tokenizer when the tokenizer given cannot be used.
 */
export function fitText(texts: readonly string[], options: TextOptions = {}): TextEncoding {
  const { vocabulary = MOST_WORDS } = options;
  const tokenizer = options.tokenizer ?? learnt(texts, vocabulary);
  const padding = paddingOf(tokenizer);
  const sizes = texts.map(idsOf(tokenizer)).map((ids) => ids.length);
  const fitting = sizes.sort((a, b) => a - b)[Math.ceil(WHOLE * sizes.length) - 1] ?? 1;
  const length = options.length ?? Math.min(LONGEST, Math.max(1, fitting));
  return { tokenizer, length, size: sizeOf(tokenizer), padding, isLearnt: options.tokenizer === undefined };
}

/** Writes the ids of a text: `encode(text, into)` fills all of `into`, and gives the number of ids that are the text's own. */
export function textEncoder({ tokenizer, length, padding }: TextEncoding): (text: string, into: Int32Array) => number {
  const encode = idsOf(tokenizer);
  return (text, into) => {
    const ids = encode(text).slice(0, length);
    into.fill(padding).set(ids);
    return ids.length;
  };
}

/** Words and punctuation of lower-cased text. */
const WORDS = { normalizer: { type: 'Lowercase' }, pre_tokenizer: { type: 'Whitespace' } };

function learnt(texts: readonly string[], most: number): TokenizerJson {
  const bare = { ...WORDS, model: { type: 'WordLevel', vocab: { [PADDING!]: 0, [UNKNOWN!]: 1 }, unk_token: UNKNOWN } };
  const split = open(bare);
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of split.tokenize(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, Math.max(0, most - 2));
  const vocab = Object.fromEntries([PADDING!, UNKNOWN!, ...ranked.map(([word]) => word)].map((word, id) => [word, id]));
  return { ...bare, model: { ...bare.model, vocab } };
}

function open(json: TokenizerJson): Tokenizer {
  try {
    return new Tokenizer({ added_tokens: [], post_processor: null, decoder: null, ...json } as never, {});
  } catch (cause) {
    throw new PareError('data/tokenizer', 'The tokenizer cannot be used.', {
      expected: 'the contents of a tokenizer.json',
      got: (cause as Error).message,
      cause,
    });
  }
}

function idsOf(json: TokenizerJson): (text: string) => number[] {
  const tokenizer = open(json);
  const { vocab = {}, unk_token: unknown } = json['model'] as Model;
  const other = entry(vocab, unknown) ?? 0;
  return (text) => Array.from(tokenizer.encode(text).ids as (number | undefined)[], (id) => id ?? other);
}

interface Model {
  readonly vocab?: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  readonly unk_token?: string;
}
interface Added {
  readonly id: number;
  readonly content: string;
}

/** The id of a word: vocabularies are records, or (Unigram) lists whose place is the id. */
const entry = (vocab: NonNullable<Model['vocab']>, word: string | undefined): number | undefined => {
  if (word === undefined) return undefined;
  if (!Array.isArray(vocab)) return (vocab as Readonly<Record<string, number>>)[word];
  const place = (vocab as readonly (readonly [string, number])[]).findIndex(([one]) => one === word);
  return place < 0 ? undefined : place;
};

function sizeOf(json: TokenizerJson): number {
  const { vocab = {} } = json['model'] as Model;
  const ids = Array.isArray(vocab) ? [vocab.length - 1] : Object.values(vocab as Readonly<Record<string, number>>);
  const added = ((json['added_tokens'] ?? []) as readonly Added[]).map(({ id }) => id);
  return [...ids, ...added].reduce((most, id) => Math.max(most, id), -1) + 1;
}

/** What the tokenizer itself fills up with, else its token called [PAD] or <pad>, else 0. */
function paddingOf(json: TokenizerJson): number {
  const own = (json['padding'] as { pad_id?: number } | null | undefined)?.pad_id;
  if (own !== undefined) return own;
  const { vocab = {} } = json['model'] as Model;
  const added = (json['added_tokens'] ?? []) as readonly Added[];
  const named = added.find(({ content }) => /^[[<]pad[\]>]$/i.test(content))?.id;
  return named ?? entry(vocab, PADDING) ?? entry(vocab, '<pad>') ?? 0;
}
