/** Groups in words: cutting this here cuts that there, because; and what is protected. */

import type { Desk } from '../desk.ts';
import type { Outcome } from '../verb.ts';
import type { PruneValues } from './values.ts';

export async function explainGroups({ model: file, cutPorts }: PruneValues, desk: Desk): Promise<Outcome> {
  const { explain, settle, solve } = await import('../../src/prune/index.ts');
  const { model } = await desk.read(file);
  const settled = await settle(model, await desk.lab());
  const solved = solve(settled.graph, { cutPorts, symbols: desk.dims });
  const groups = solved.groups.map((group) => ({
    name: group.name,
    channels: group.size,
    lines: explain(solved, group, [0]),
  }));
  const protections = solved.protections.map(({ where, why, weights }) => ({
    where,
    why,
    weights: weights.map(({ value, axis, channels }) => `${value}[${axis}]: ${channels}`),
  }));
  return {
    result: { groups, protected: protections },
    shown: [
      ...groups.flatMap(({ name, channels, lines }) => [
        { kind: 'title' as const, text: `${name}: ${channels} channels; the first of them` },
        { kind: 'text' as const, text: lines.join('\n') },
      ]),
      { kind: 'title', text: 'Protected' },
      ...protections.map(({ where, why, weights }) => ({
        kind: 'text' as const,
        text: `${where}: ${why} (${weights.join(', ')})`,
      })),
    ],
  };
}
