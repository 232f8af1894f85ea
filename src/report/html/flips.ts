/** The samples whose answers changed, as pictures where they are pictures. */

import type { Flip } from '../search.ts';
import { html, type Markup, none } from './markup.ts';

export function flipsGrid(flips: readonly Flip[], flipped: number, samples: number): Markup {
  if (samples === 0) return none;
  const all =
    flipped === 0
      ? `None of the ${samples} evaluation samples got another answer.`
      : `${flipped} of the ${samples} evaluation samples got another answer${flips.length < flipped ? `; ${flips.length} of them` : ''}.`;
  return html`<h2>Changed answers</h2>
<p class="soft">${all}</p>
${flips.length > 0 && html`<div class="flips">${flips.map(flipCard)}</div>`}`;
}

const flipCard = ({ sample, before, after, label, picture }: Flip): Markup => html`
<div class="card flip">${picture && html`<img src="${picture.uri}" width="${picture.width}" height="${picture.height}" alt="sample ${sample}">`}
<div><b>${before} → ${after}</b><small>${label === undefined ? '' : verdict(before, after, label)}sample ${sample}</small></div></div>`;

const verdict = (before: string, after: string, label: string): string =>
  `${before === label ? 'lost' : after === label ? 'won' : 'both wrong'}, it is ${label} · `;
