/** A graph as a list of its nodes in order, with an arc for every value that skips the next row. */

import type { GraphRow } from '../search.ts';
import { shorten } from '../table.ts';
import { html, type Markup } from './markup.ts';

const ROW = 20;
const WIDTH = 420;
/** Room for the arcs. */
const LEFT = 74;
/** More rows than this are cut off, and said so. */
const MOST = 160;

export function graphFigure(title: string, rows: readonly GraphRow[]): Markup {
  const shown = rows.slice(0, MOST);
  const y = (row: number): number => row * ROW + 14;
  const height = shown.length * ROW + 8;
  const arcs = shown.flatMap(({ reads }, to) =>
    reads.map((from) => {
      if (from === to - 1) return html`<line x1="${LEFT}" x2="${LEFT}" y1="${y(from)}" y2="${y(to)}" class="wire"/>`;
      const reach = Math.min(LEFT - 8, 10 + 7 * Math.sqrt(to - from));
      return html`<path d="M${LEFT} ${y(from)} C${LEFT - reach * 1.3} ${y(from)} ${LEFT - reach * 1.3} ${y(to)} ${LEFT} ${y(to)}" class="wire"/>`;
    }),
  );
  return html`
<figure class="card"><figcaption>${title} <small>${rows.length} nodes${rows.length > MOST && `, the first ${MOST}`}</small></figcaption>
<div class="tall"><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}: ${rows.length} nodes">
${arcs}
${shown.map(
  (
    { name, op, dims },
    i,
  ) => html`<g><title>${name}: ${op} ${dims}</title><circle cx="${LEFT}" cy="${y(i)}" r="3.5" class="after"/>
<text x="${LEFT + 12}" y="${y(i) + 4}" class="small strong">${shorten(op, 22)}</text><text x="${WIDTH}" y="${y(i) + 4}" class="end soft small">${shorten(dims, 30)}</text></g>
`,
)}</svg></div></figure>`;
}
