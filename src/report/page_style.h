#pragma once

namespace genvinci::internal {

inline constexpr const char* kPageStyle = R"css(
:root { --ink: #1b1f24; --quiet: #57606a; --rule: #d5d9de; --strong-rule: #6e7781; --note: #b45309; }
* { box-sizing: border-box; }
body {
  margin: 0; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1100px; margin: 0 auto; padding: 40px 24px 64px; }
h1, h2, h3 { line-height: 1.25; font-weight: 600; break-after: avoid; overflow-wrap: anywhere; }
h1 { font-size: 2rem; margin: 0 0 24px; }
h2 { font-size: 1.375rem; margin: 48px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1.1rem; margin: 32px 0 8px; }
p { max-width: 72ch; margin: 0 0 14px; overflow-wrap: anywhere; }
.note { max-width: 72ch; margin: 20px 0; padding: 10px 16px; border-left: 4px solid var(--note); background: #fdf6ec; }
.note p:last-child { margin: 0; }
.table { margin: 20px 0 28px; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
caption, figcaption { color: var(--quiet); font-size: 0.9375rem; text-align: left; }
caption { padding-bottom: 8px; }
figcaption { max-width: 80ch; margin-top: 8px; }
th, td { padding: 6px 18px 6px 0; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
th { font-weight: 600; }
tbody th { font-weight: 400; }
thead th { border-bottom-color: var(--strong-rule); }
tbody tr:last-child > * { border-bottom-color: var(--strong-rule); }
.number { text-align: right; white-space: nowrap; }
figure { margin: 20px 0 28px; break-inside: avoid; }
figure img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; }
.plot { width: 100%; }
@page { margin: 16mm; }
@media print {
  body { font-size: 11pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 1.75rem; }
  h2 { margin-top: 28px; }
  h3 { margin-top: 18px; }
  .table, figure { margin: 12px 0 18px; }
  .plot { height: auto !important; }
  .table { overflow: visible; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  .note { background: none; }
  .modebar { display: none; }
}
)css";

}  // namespace genvinci::internal
