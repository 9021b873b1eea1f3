"""How a report looks. Colours are named once for light and once for dark; blue is new or won, orange is lost."""

__all__ = ["STYLESHEET"]

STYLESHEET = """\
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --panel: #ffffff; --ink: #1c2330; --soft: #5c6675; --rule: #dfe3e9; --band: #f6e7c8;
  --old: #8a94a6; --new: #2563c9; --lost: #c2570c;
  --go: #14713a; --no-go: #b3261e; --inconclusive: #8a5a00;
  --go-tint: #e3f4e9; --no-go-tint: #fbe9e7; --inconclusive-tint: #fbf1dc;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --panel: #1a1f28; --ink: #e7eaf0; --soft: #9aa5b6; --rule: #2f3743; --band: #4a3d1e;
    --old: #76829a; --new: #6ea2f5; --lost: #f0934a;
    --go: #5cc98a; --no-go: #f28b82; --inconclusive: #e8b75a;
    --go-tint: #17301f; --no-go-tint: #3a1d1b; --inconclusive-tint: #352a12;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 32px 20px 64px; overflow-wrap: anywhere; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 20px; }
h2 { font-size: 18px; margin: 0 0 12px; }
p { margin: 0; }
section { margin: 0 0 16px; padding: 22px 24px; background: var(--panel); border: 1px solid var(--rule);
  border-radius: 10px; }
.fine { color: var(--soft); font-size: 13px; margin-top: 10px; }
.caveat { margin: 0 0 16px; padding: 10px 16px; border-left: 4px solid var(--inconclusive); background: var(--panel); }

.verdict { display: flex; gap: 20px; align-items: center; border: 0; }
.verdict .mark { flex: none; width: 60px; height: 60px; border-radius: 50%; font-size: 32px; line-height: 60px;
  text-align: center; color: var(--panel); font-weight: 700; }
.verdict .word { font-size: 28px; line-height: 1.2; font-weight: 750; letter-spacing: .02em; }
.verdict .advice { font-size: 17px; font-weight: 600; }
.go { background: var(--go-tint); } .go .word { color: var(--go); } .go .mark { background: var(--go); }
.no-go { background: var(--no-go-tint); } .no-go .word { color: var(--no-go); }
.no-go .mark { background: var(--no-go); }
.inconclusive { background: var(--inconclusive-tint); } .inconclusive .word { color: var(--inconclusive); }
.inconclusive .mark { background: var(--inconclusive); }

.cards, .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 16px; }
.cards { padding: 0; border: 0; background: none; }
.card { padding: 16px 20px; background: var(--panel); border: 1px solid var(--rule); border-radius: 10px;
  border-top: 4px solid var(--old); }
.card.new { border-top-color: var(--new); }
.card h2 { font-size: 13px; color: var(--soft); margin: 0; font-weight: 600; }
.card .model { font-size: 18px; font-weight: 650; }
.card p { color: var(--soft); } .card .model { color: var(--ink); }
code { font: 13px ui-monospace, monospace; }

.wide { overflow-x: auto; } .wide svg { min-width: 600px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 9px 12px; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top;
  overflow: clip; }
thead th { color: var(--soft); font-size: 13px; font-weight: 600; white-space: nowrap; }
.numbers th + th, .numbers td { text-align: right; white-space: nowrap; }
.numbers tbody tr:first-child { font-weight: 700; }
.numbers tbody th { font-weight: inherit; white-space: nowrap; }
.number { white-space: nowrap; }
.changes { table-layout: fixed; min-width: 720px; }
.changes th:first-child { width: 40%; } .changes th:nth-child(2) { width: 15%; }
.changes ol { margin: 0; padding-left: 20px; } .changes .fine { margin-top: 2px; }
.hit { font-weight: 650; } .hit span { color: var(--go); }
dl { display: grid; grid-template-columns: fit-content(30%) 1fr; gap: 6px 20px; margin: 0; }
dt { color: var(--soft); overflow: clip; } dd { margin: 0; overflow: clip; }

.figures { display: flex; flex-wrap: wrap; gap: 8px 36px; margin-bottom: 16px; }
.figures b { display: block; font-size: 24px; line-height: 1.3; } .figures span { color: var(--soft); font-size: 13px; }
figure { margin: 0; } figcaption { color: var(--soft); font-size: 13px; margin-top: 6px; }
svg { display: block; width: 100%; height: auto; margin: 12px auto 0; font: 13px system-ui, sans-serif; }
svg text { fill: var(--soft); } svg .name { fill: var(--ink); } svg .strong { fill: var(--ink); font-weight: 700; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); stroke-width: 1.5; }
.band { fill: var(--band); } .whisker { stroke: var(--new); stroke-width: 2.5; } .dot { fill: var(--new); }
.won, rect.new { fill: var(--new); } .lost { fill: var(--lost); } .tied, rect.old { fill: var(--old); }
.bubble { fill-opacity: .65; stroke: var(--panel); }
@media print { body { background: none; } section, .card { break-inside: avoid; } }
"""
