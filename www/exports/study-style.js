// The style sheet of the exported report: one light page with narrow text and wide figures, on screen and on paper.

export const STYLE = `
:root { color-scheme: light; --ink: #191c20; --soft: #565d68; --line: #e0e3e7; --strong: #c3c8cf; --accent: #0f6f66;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Cambria, "Noto Serif", "Liberation Serif", Georgia, serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace; }
* { box-sizing: border-box; }
body { max-width: 1076px; margin: 0 auto; padding: 48px 28px 64px; background: #fff; color: var(--ink); font: 15px/1.55 var(--sans); font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
h1, h2, h3 { margin: 0; font-family: var(--serif); line-height: 1.25; letter-spacing: -0.01em; text-wrap: balance; }
h1 { font-size: 33px; }
h2 { margin-top: 64px; padding-top: 20px; border-top: 2px solid var(--ink); font-size: 25px; }
h2 .number { margin-right: 0.55em; color: var(--soft); font-weight: 400; }
h3 { margin-top: 44px; font-size: 19px; }
h2 + .figure h3 { margin-top: 24px; }
p { margin: 8px 0 0; }
.kicker { margin: 0 0 6px; color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: 0.02em; }
.prose { max-width: 66ch; font: 16.5px/1.6 var(--serif); }
.soft, .settings, .note, footer { color: var(--soft); font-size: 13px; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px; }

.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 20px; margin: 20px 0 0; padding: 14px 0; border-block: 1px solid var(--line); font-size: 13.5px; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
nav ol { margin: 20px 0 0; padding: 0; list-style: none; columns: 2; column-gap: 40px; font-size: 13.5px; }
nav li { break-inside: avoid; padding: 2px 0; }
nav .number { display: inline-block; width: 1.4em; color: var(--soft); }

.settings { display: flex; flex-wrap: wrap; gap: 2px 20px; margin: 10px 0 0; }
.settings div { display: flex; gap: 6px; min-width: 0; }
.settings dt::after { content: ":"; }
.settings dt { white-space: nowrap; }
.settings dd { min-width: 0; margin: 0; overflow-wrap: anywhere; color: var(--ink); white-space: pre-wrap; }
.pictures { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 8px 26px; margin-top: 14px; }
.pictures figure { margin: 10px 0 0; max-width: 100%; }
figcaption { width: 0; min-width: 100%; margin-bottom: 4px; font-size: 13.5px; line-height: 1.45; }
figcaption b, .caption b { margin-right: 0.5em; }
/* Charts have their own margins. */
.pictures svg { display: block; max-width: calc(100% + 24px); height: auto; margin: 0 -12px; }
.caption { margin-top: 18px; font-size: 13.5px; }
.tables { display: flex; flex-wrap: wrap; gap: 0 36px; }
.tables > div { flex: 1 1 340px; min-width: 0; }

.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; line-height: 1.4; }
caption { padding: 10px 0 4px; font-weight: 600; text-align: left; }
th, td { padding: 3px 9px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: baseline; }
thead th { border-bottom-color: var(--strong); color: var(--soft); font-weight: 400; vertical-align: bottom; }
tbody th { color: var(--soft); font-weight: 400; white-space: pre; }
td { white-space: nowrap; }
th.text, td.text { text-align: left; white-space: pre-wrap; }
td.text { min-width: 5em; }
.numbers { font-size: 12px; }
.numbers th, .numbers td { padding: 2px 7px; }
.pairs { width: 100%; margin-top: 8px; }
.pairs th, .pairs td { text-align: left; }
.pairs td { white-space: pre-wrap; overflow-wrap: anywhere; }
.pairs td:first-child, .pairs th:first-child { width: 2.5em; color: var(--soft); }
tr.mark-answer td { background: #fdf1d3; }
tr.mark-mean > * { border-top: 1px solid var(--strong); font-weight: 600; color: var(--ink); }
tr.mark-failed td { background: #fdecea; color: #a8231b; }
.mark { color: var(--accent); font-weight: 600; }
.mark-failed .mark { color: #a8231b; }
.token { padding: 0 4px; border: 1px solid var(--line); border-radius: 3px; background: #f6f7f8; font: 12px/17px var(--mono); white-space: pre; }
.token small { color: var(--soft); font-size: 9.5px; }
.glyph { position: relative; }
.glyph::before { position: absolute; inset: 0 auto auto 0; color: var(--accent); font-weight: 700; }
.glyph-space::before { content: "\\B7"; left: 50%; transform: translateX(-50%); }
.glyph-newline::before { content: "\\21B5"; }
.glyph-tab::before { content: "\\21E5"; }

.left-out { margin-top: 14px; padding: 8px 14px; border: 1px solid #e5d3a0; border-radius: 5px; background: #fdf5e1; font-size: 13px; }
.left-out ul { margin: 4px 0 0; padding-left: 18px; }
details { margin-top: 10px; border-top: 1px solid var(--line); font-size: 13px; }
details + details { margin-top: 0; }
summary { padding: 6px 0; color: var(--soft); cursor: pointer; }
.fold-mean { margin-left: 1.2em; }
details[open] { padding-bottom: 12px; }
footer { margin-top: 72px; padding-top: 14px; border-top: 1px solid var(--line); }

@media (max-width: 640px) { body { padding: 24px 16px 40px; } nav ol { columns: 1; } h1 { font-size: 26px; } }
@page { margin: 16mm 13mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  .prose { max-width: none; font-size: 10.5pt; line-height: 1.5; }
  h1 { font-size: 21pt; } h2 { margin-top: 26pt; font-size: 15pt; } h3 { margin-top: 18pt; font-size: 12.5pt; }
  h2, h3, .caption, figcaption, .settings { break-after: avoid; }
  /* Figures as small as in a journal, so that two maps stand side by side. */
  .pictures { zoom: 0.69; column-gap: 12px; }
  figcaption, figcaption .note { font-size: 12.5pt; }
  .pictures figure, tr, .left-out, .facts { break-inside: avoid; }
  .wide { overflow: visible; }
  a { color: inherit; }
  /* What is folded stays in the file. */
  details:not([open]), .csv { display: none; }
  tr, .left-out, .token { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
