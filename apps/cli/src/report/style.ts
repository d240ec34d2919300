/** The style sheet of the report: light, dark, phone and print, without any outside resource. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --ink: #17202c; --muted: #566173; --line: #dfe3ea; --track: #eef1f5;
  --accent: #0b6e69; --good: #0b6e4f; --good-soft: #e4f4ec; --bad: #b02a37; --bad-soft: #fdecee;
  --warn: #8a5a00; --warn-soft: #fff4dc;
  --teal: #0f8580; --slate: #8a96a8; --amber: #d9912b; --indigo: #4656b8; --rose: #cf4257;
  --violet: #8e4fb5; --sky: #2f8fcf; --moss: #6f9a2f;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0f141b; --card: #181f29; --ink: #e8edf4; --muted: #a3afc0; --line: #2c3644; --track: #222b37;
    --accent: #5fd0c8; --good: #6fd6a8; --good-soft: #14322a; --bad: #ff8f9a; --bad-soft: #3a1b21;
    --warn: #f3c266; --warn-soft: #372b12;
    --teal: #35b5ac; --slate: #8593a8; --amber: #e8ab4e; --indigo: #8b9af2; --rose: #f0717f;
    --violet: #c08be0; --sky: #62b6ea; --moss: #a3c964;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-text-size-adjust: 100%;
}
main, header.top, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header.top { padding-top: 40px; }
.brand { display: flex; align-items: center; gap: 10px; font-weight: 650; letter-spacing: .01em; color: var(--accent); }
h1 { font-size: 32px; line-height: 1.2; margin: 14px 0 6px; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { font-size: 21px; margin: 44px 0 14px; letter-spacing: -.01em; }
h3 { font-size: 15px; margin: 0 0 2px; }
p { margin: 0 0 12px; }
.facts { color: var(--muted); font-size: 14px; margin: 0 0 22px; }
.facts span { white-space: nowrap; }
.facts span:not(:last-child)::after { content: "·"; margin: 0 4px 0 8px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; min-width: 0; }
.lead { font-size: 17px; }
.lead > :last-child, .card > :last-child { margin-bottom: 0; }
.banner { border-radius: 10px; padding: 12px 16px; margin: 0 0 16px; font-size: 15px; border: 1px solid currentColor; }
.banner strong { display: block; }
.banner span { color: var(--ink); }
.banner.good { background: var(--good-soft); color: var(--good); }
.banner.bad { background: var(--bad-soft); color: var(--bad); }
.banner.warn { background: var(--warn-soft); color: var(--warn); }
.tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 16px; margin: 16px 0 0; }
.tile h3 { color: var(--muted); font-size: 13.5px; font-weight: 600; margin: 0 0 6px; }
.tile .figure { color: var(--ink); font-size: 28px; line-height: 1.2; font-weight: 650; letter-spacing: -.02em; margin: 0 0 6px; font-variant-numeric: tabular-nums; }
.tile .figure small { font-size: 16px; font-weight: 500; color: var(--muted); letter-spacing: 0; }
.tile p { font-size: 13.5px; color: var(--muted); margin: 0; }
.meter { height: 6px; background: var(--track); border-radius: 3px; overflow: hidden; margin: 0 0 8px; }
.meter i { display: block; height: 100%; background: var(--accent); }
.meter.over i { background: var(--bad); }
.grid { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.wide { grid-column: 1 / -1; }
figure { margin: 0; }
figure .about, figcaption { color: var(--muted); font-size: 13.5px; }
figure .about { margin: 0 0 14px; }
figcaption { margin: 12px 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 0 0 10px; font-size: 13.5px; }
.legend li { display: flex; align-items: center; gap: 6px; }
.chart { display: block; overflow: visible; }
.chart.axes { padding: 8px 10px 0 48px; }
.chart.bars { padding: 0 58px 0 122px; }
.wide-labels .chart.bars { padding-left: 310px; }
.chart text { font-size: 12.5px; fill: var(--ink); font-variant-numeric: tabular-nums; }
.chart text.axis { fill: var(--muted); font-size: 12px; }
.chart text.mark { fill: var(--bad); font-weight: 700; }
.chart .strong text { font-weight: 700; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .track { fill: var(--track); }
.chart .rule { stroke: currentColor; stroke-width: 2; stroke-dasharray: 4 3; }
.chart .free { overflow: visible; }
.chart polyline { fill: none; stroke: currentColor; stroke-width: 2.5; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.chart polygon.band { fill: currentColor; fill-opacity: .16; }
.chart line.band { stroke: currentColor; stroke-opacity: .35; stroke-width: 6; }
.map { display: block; width: 100%; height: auto; }
.map circle { fill: var(--teal); fill-opacity: .26; stroke: var(--teal); stroke-width: 1.5; }
.map text { fill: var(--ink); font-size: 12px; }
.map .number { font-weight: 700; font-size: 12px; }
.tree { display: block; width: 100%; height: auto; }
.tree text { font-size: 12px; fill: var(--ink); } .tree rect { fill: var(--teal); } .tree path { fill: none; stroke: var(--line); stroke-width: 1.5; }
.mapped { display: grid; grid-template-columns: minmax(0, 640px) minmax(0, 1fr); gap: 28px; align-items: start; }
.clusters { list-style: none; padding: 0; margin: 0; font-size: 14px; columns: 1; }
.clusters li { display: flex; gap: 8px; padding: 3px 0; border-bottom: 1px solid var(--line); break-inside: avoid; }
.clusters b { min-width: 22px; color: var(--muted); font-variant-numeric: tabular-nums; }
.clusters span { flex: 1; overflow-wrap: anywhere; }
.tone-teal { color: var(--teal); } .tone-slate { color: var(--slate); } .tone-amber { color: var(--amber); }
.tone-indigo { color: var(--indigo); } .tone-rose { color: var(--rose); } .tone-violet { color: var(--violet); }
.tone-sky { color: var(--sky); } .tone-moss { color: var(--moss); }
.legend li { color: var(--ink); }
.spaced { margin: 0 0 16px; } .grid + .spaced, .card + .card { margin-top: 16px; } .grid > .card, .tiles > .card { margin-top: 0; }
table.rows thead th { white-space: normal; vertical-align: bottom; line-height: 1.25; }
table.rows td { white-space: normal; } table.rows .name { text-align: left; min-width: 200px; } table.rows th, table.rows td { padding: 7px 9px; }
.scroll { overflow: auto; max-height: 620px; border: 1px solid var(--line); border-radius: 12px; background: var(--card); }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 7px 12px; white-space: nowrap; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
th:first-child, td.text, th.text { text-align: left; }
thead th { color: var(--muted); font-weight: 600; background: var(--card); }
table.rounds th, table.rounds td { padding: 7px 9px; }
table.rounds td.reason { text-align: left; white-space: normal; overflow-wrap: anywhere; color: var(--muted); padding-top: 0; }
table.rounds tr.explained > * { border-bottom: 0; }
table.rounds { font-size: 13.5px; } table.rounds thead th { white-space: normal; vertical-align: bottom; line-height: 1.25; }
.scroll thead th { position: sticky; top: 0; }
tbody th { font-weight: 600; white-space: normal; }
caption { text-align: left; color: var(--muted); font-size: 13.5px; padding: 0 0 8px; }
.scroll caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.published { color: var(--good); } .failed { color: var(--bad); } .cancelled { color: var(--warn); }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 2.5px; background: currentColor; margin-right: 8px; }
ul.plain { margin: 0; padding-left: 20px; } ul.plain li { margin: 0 0 6px; overflow-wrap: anywhere; }
dl { margin: 0; } dt { font-weight: 650; margin-top: 12px; } dt:first-child { margin-top: 0; } dd { margin: 2px 0 0; color: var(--muted); }
footer { color: var(--muted); font-size: 13.5px; padding-top: 32px; padding-bottom: 48px; }
@media screen and (max-width: 860px) {
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .grid, .mapped { grid-template-columns: minmax(0, 1fr); }
  .map { max-width: 640px; }
}
@media screen and (max-width: 520px) {
  main, header.top, footer { padding-left: 16px; padding-right: 16px; }
  header.top { padding-top: 24px; }
  h1 { font-size: 26px; } h2 { margin-top: 34px; }
  .card { padding: 16px; } .lead { font-size: 16px; }
  .tiles { gap: 12px; } .tile { padding: 14px; } .tile .figure { font-size: 22px; } .tile .figure small { font-size: 13.5px; }
  .chart.bars { padding-left: 108px; } .wide-labels { overflow-x: auto; } .wide-labels .chart.bars { min-width: 520px; }
  .map .name { display: none; } .map .number { font-size: 19px; }
}
@media print {
  :root { color-scheme: light; }
  @page { margin: 14mm; }
  body { background: #fff; font-size: 12px; }
  main, header.top, footer { padding-left: 0; padding-right: 0; } header.top { padding-top: 0; }
  h1 { font-size: 24px; } h2 { font-size: 16px; margin: 22px 0 8px; } h3 { font-size: 13px; }
  .card { padding: 12px 14px; } .lead { font-size: 13px; } .tiles, .grid { gap: 10px; }
  .tile .figure { font-size: 18px; } .tile .figure small, .tile h3, .tile p { font-size: 11px; }
  .facts, .legend, figcaption, figure .about, .clusters, footer { font-size: 11px; }
  .chart text, .chart text.axis { font-size: 10.5px; } .chart.bars { padding: 0 44px 0 104px; }
  .mapped { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 16px; } .clusters li { padding: 1px 0; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  .card, figure, tr, .tile { break-inside: avoid; } h2 { break-after: avoid; }
  .scroll { overflow: visible; max-height: none; border: 0; } table { font-size: 10.5px; } th, td { padding: 3px 5px; white-space: normal; }
  table.rounds { font-size: 9.5px; } table.rounds th, table.rounds td { padding: 3px 4px; } }
`;
