/** What a sensitivity scan found, as a picture. */

import type { SensitivityPoint } from '../../prune/index.ts';
import { escapeText } from './markup.ts';

/** A line for each group: KL on a logarithmic scale against the share removed; an SVG document. */
export function sensitivityPlot(points: readonly SensitivityPoint[], title: string): string {
  const [width, height, left, bottom, top] = [720, 420, 64, 44, 36];
  const groups = [...new Set(points.map(({ group }) => group))];
  const least = 1e-6;
  const levels = points.map(({ kl }) => Math.log10(Math.max(kl, least)));
  const [low, high] = [Math.floor(Math.min(...levels, 0)), Math.ceil(Math.max(...levels, low1(levels)))];
  const x = (removed: number): number => left + removed * (width - left - 200);
  const y = (kl: number): number =>
    height - bottom - ((Math.log10(Math.max(kl, least)) - low) / (high - low || 1)) * (height - bottom - top);
  const lines = groups.map((group, i) => {
    const hue = Math.round((360 * i) / groups.length);
    const own = points.filter((point) => point.group === group).sort((a, b) => a.removed - b.removed);
    const path = own.map(({ removed, kl }) => `${x(removed).toFixed(1)},${y(kl).toFixed(1)}`).join(' ');
    const label =
      i < 24
        ? `<text x="${width - 190}" y="${top + 14 * i}" fill="hsl(${hue} 60% 35%)">${escapeText(group.slice(0, 28))}</text>`
        : '';
    return `<polyline points="${path}" fill="none" stroke="hsl(${hue} 60% 45%)"><title>${escapeText(group)}</title></polyline>${label}`;
  });
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => {
    const at = y(10 ** (low + i)).toFixed(1);
    return `<line x1="${left}" x2="${width - 200}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="8" y="${at}">1e${low + i}</text>`;
  });
  const shares = [0, 0.25, 0.5, 0.75, 1].map(
    (share) => `<text x="${x(share) - 10}" y="${height - 24}">${share * 100} %</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${left}" y="18" font-size="14">${escapeText(title)}: KL of the answers against the share removed</text>`,
    ...ticks,
    ...shares,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}

const low1 = (levels: readonly number[]): number => Math.floor(Math.min(...levels, 0)) + 1;
