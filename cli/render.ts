/** An outcome as words for a terminal, or as one JSON object; an error as one paragraph. */

import type { PareError } from '../src/base/error.ts';
import { type Paint, table } from '../src/report/table.ts';
import type { Block, Outcome } from './verb.ts';

/** The outcome as a terminal shows it. */
export const renderText = ({ shown, missed = [] }: Outcome, paint: Paint): string =>
  [
    ...shown.map((block) => renderBlock(block, paint)),
    ...(missed.length ? [missed.map((bound) => paint('red', `missed: ${bound}`)).join('\n')] : []),
  ]
    .filter((text) => text !== '')
    .join('\n\n')
    .concat('\n');

function renderBlock(block: Block, paint: Paint): string {
  if (block.kind === 'title') return paint('bold', block.text);
  if (block.kind === 'text') return block.text;
  if (block.kind === 'gain') return paint('green', block.text);
  if (block.kind === 'painted') return block.paint(paint);
  if (block.kind === 'table') return table(block.columns, block.rows, paint);
  const facts = block.facts.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}`).join('\n');
}

/**
 * The outcome as one line of JSON, with its notes.
 *
 * Numbers that JSON cannot hold (NaN, infinities) become null; big integers numbers; typed arrays lists.
 */
export const renderJson = ({ result, missed = [] }: Outcome, notes: readonly string[]): string =>
  `${JSON.stringify({ ...result, ...(missed.length && { missed }), ...(notes.length && { notes }) }, plainValue)}\n`;

const plainValue = (_: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float32Array);
  if (value instanceof Map) return Object.fromEntries(value);
  return value;
};

/** The error as one paragraph, with its stack when asked. */
export function renderError(error: PareError, paint: Paint, withStack: boolean): string {
  const [sentence, ...rest] = error.describe().split('\n');
  const causes: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) causes.push(at.stack ?? String(at));
  return [paint('red', sentence!), ...rest, ...(withStack ? ['', causes.join('\ncaused by ')] : [])]
    .join('\n')
    .concat('\n');
}

/** The error as one JSON object, for programs that asked for JSON. */
export const errorJson = ({ code, message, detail: { cause: _, ...detail } }: PareError): string =>
  `${JSON.stringify({ error: { code, message, ...detail } })}\n`;
