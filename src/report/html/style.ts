/** The page's one style sheet: light or dark as the reader's system is, 390 px to wide, and on paper. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #14181f; --soft: #5a6472; --line: #e2e6ec; --track: #eceff3;
  --accent: #0b6bcb; --before: #b4bdc9; --good: #0f7a43; --bad: #b3371f; --code: #f0f2f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1319; --card: #171c24; --ink: #e8ecf2; --soft: #98a3b3; --line: #29313c; --track: #232a34;
    --accent: #5aa9f8; --before: #566171; --good: #4ec78a; --bad: #f0886f; --code: #10151c;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px; }
header { margin-bottom: 24px; }
.eyebrow { margin: 0; color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: .04em; }
h1 { margin: 2px 0 4px; font-size: 30px; line-height: 1.2; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 40px 0 12px; font-size: 18px; letter-spacing: -.005em; }
h2 + p { margin: -8px 0 12px; }
p { margin: 0 0 12px; }
.soft { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 12px; }
.tile { padding: 16px 18px; }
.tile b { display: block; font-size: 32px; font-weight: 650; line-height: 1.15; letter-spacing: -.02em; }
.tile b small { font-size: 16px; font-weight: 600; letter-spacing: 0; }
.tile span { color: var(--soft); font-size: 14px; }
.tile.bad b { color: var(--bad); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th, td { padding: 9px 14px; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 550; }
th:first-child, td:first-child, th.left, td.left { text-align: left; }
tbody th { font-weight: 550; }
tbody tr:last-child th, tbody tr.last td { font-weight: 650; }
td.words { white-space: normal; overflow-wrap: anywhere; min-width: 12ch; }
.stack { display: grid; gap: 12px; }
.stack > * { min-width: 0; }
td small { display: block; color: var(--soft); font-size: 12px; font-weight: 400; line-height: 1.3; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 310px), 1fr)); gap: 12px; }
figure { margin: 0; padding: 14px 16px 12px; }
figcaption { margin-bottom: 8px; font-size: 14px; font-weight: 600; }
figcaption small { color: var(--soft); font-size: 13px; font-weight: 400; }
svg { display: block; width: 100%; height: auto; }
svg + svg { margin-top: 14px; }
svg text { fill: var(--ink); font-size: 12.5px; }
svg .soft { fill: var(--soft); }
svg .small { font-size: 11.5px; }
svg .end { text-anchor: end; }
svg .middle { text-anchor: middle; }
svg .strong { font-weight: 600; }
.track { fill: var(--track); }
.bar, .before { fill: var(--before); }
.after { fill: var(--accent); }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--before); stroke-width: 1; }
.curve { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.key { display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 0; border-radius: 2px; background: var(--before); }
.key.now { margin-left: 12px; background: var(--accent); }
ul.notes { margin: 0; padding: 14px 18px 14px 36px; }
ul.notes li { overflow-wrap: anywhere; }
ul.notes li + li { margin-top: 4px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; padding: 14px 18px; font-size: 14px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr)); gap: 12px; align-items: start; }
pre span { display: inline-block; max-width: 100%; }
pre { margin: 0; padding: 14px 18px; background: var(--code); white-space: pre-wrap; overflow-wrap: anywhere; }
code, pre { font: 13px/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
details { margin-top: 12px; }
.stack > details { margin-top: 0; }
summary { padding: 10px 16px; cursor: pointer; font-size: 14px; font-weight: 550; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 10px; }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 12px; }
.dot circle { fill: var(--before); stroke: var(--card); stroke-width: 1.5; cursor: pointer; }
.dot.frontier circle { fill: var(--accent); }
.dot.original circle { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
.dot.chosen circle { fill: var(--good); }
.dot .told { visibility: hidden; }
.dot { outline: none; }
.dots:not(:hover):not(:focus-within) .chosen .told, .dot:hover .told, .dots:not(:hover) .dot:focus .told { visibility: visible; }
.dot:hover circle, .dot:focus circle { stroke: var(--ink); stroke-width: 2.5; }
.bound { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; }
.legend { margin: 6px 0 0; color: var(--soft); font-size: 13px; }
.mark { display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 10px; border-radius: 50%; background: var(--before); }
.mark:first-child { margin-left: 0; }
.mark.frontier { background: var(--accent); }
.mark.chosen { background: var(--good); }
.mark.original { background: none; border: 2px solid var(--ink); }
.wire { fill: none; stroke: var(--before); stroke-width: 1.2; }
.tall { max-height: 620px; overflow-y: auto; }
.claim { padding: 14px 18px; }
.claim p { margin: 0 0 10px; }
.claim p:last-child { margin: 0; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.range { height: 24px; margin: 4px 0 12px; border-radius: 6px; }
.range .span { fill: var(--accent); opacity: .35; }
.range .limit { fill: var(--bad); }
.range .zero { fill: var(--soft); }
.meaning { margin-right: 12px; white-space: nowrap; }
.mark.span { background: var(--accent); opacity: .35; border-radius: 2px; }
.mark.after, .mark.zero, .mark.limit { width: 3px; border-radius: 0; }
.mark.after { background: var(--accent); }
.mark.zero { background: var(--soft); }
.mark.limit { background: var(--bad); }
ol.recipe { margin: 0; padding: 12px 18px 12px 40px; }
ol.recipe li { padding: 3px 0; overflow-wrap: anywhere; }
ol.recipe span { display: block; font-size: 14px; }
.flips { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px; }
.flip { padding: 10px; font-size: 14px; overflow-wrap: anywhere; }
.flip img { display: block; width: 100%; height: auto; max-height: 180px; object-fit: contain; margin-bottom: 8px; border-radius: 6px; background: var(--track); image-rendering: pixelated; }
.flip small { display: block; color: var(--soft); font-size: 12.5px; }
@media (max-width: 600px) {
  main { padding: 24px 14px 40px; }
  h1 { font-size: 24px; }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px; }
  .tile { padding: 12px 13px; }
  .tile b { font-size: 24px; }
  .tile b small { font-size: 14px; }
  .tile span { font-size: 13px; }
  th, td { padding: 8px 10px; }
  .plots svg text { font-size: 16px; }
  .plots .told text { font-size: 16px; }
  thead th:first-child, tbody th { position: sticky; left: 0; background: var(--card); }
}
@media print {
  body { background: none; }
  .card { break-inside: avoid; }
  main { padding: 0; }
}
`;
