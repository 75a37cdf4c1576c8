/** Letters stand out from their ground by 4.5 : 1 at least, and what is drawn by 3 : 1, in light and in dark. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fff; --ink: #16181d; --quiet: #5c626d; --note: #8a5a00; --line: #d9dce2; --floor: #8b919c; --first: #2563c9; --second: #b8520a; --third: #17804f; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #121316; --ink: #eceef2; --quiet: #a2a8b3; --note: #e0a94a; --line: #34373e; --floor: #6b7280; --first: #6ea3f5; --second: #f0985a; --third: #56c492; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; background: var(--ground); color: var(--ink); }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.quiet { color: var(--quiet); } .note { color: var(--note); } code { font-size: .85rem; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1rem; margin: 1rem 0; }
.figures div { font-size: 1.4rem; font-weight: 600; line-height: 1.3; } .figures small { display: block; font-weight: 400; font-size: .85rem; color: var(--quiet); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: baseline; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-weight: 500; vertical-align: bottom; }
.names td:first-child { color: var(--quiet); width: 12rem; } .names td { text-align: left; overflow-wrap: anywhere; }
figure { margin: 0; break-inside: avoid; } svg { display: block; width: 100%; height: auto; } svg.narrow { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; list-style: none; margin: 0; padding: 0; font-size: .85rem; color: var(--quiet); }
.legend i { display: inline-block; width: 1rem; margin-right: .5rem; vertical-align: middle; background: var(--ink); }
.legend .line { height: 3px; } .legend .dashes { border-top: 2px dashed var(--ink); background: none; } .legend .box { height: .75rem; } .legend .dot { width: .6rem; height: .6rem; border-radius: 50%; }
@media screen and (max-width: 720px) { svg.wide { display: none; } svg.narrow { display: block; max-width: 600px; } }
`;
