/** The colours of charts and page: of a light scheme, and what a dark one has instead. */
export const COLORS: string = `:root {
  color-scheme: light dark;
  --surface: #ffffff; --raised: #f6f8fa; --line: #d8dee4; --ink: #1f2328; --muted: #59636e;
  --fused: #1a6fd4; --composed: #d98324; --stock: #8c959f; --third: #2f9e6e; --wrong: #c92a2a;
  --fourth: #8e5fc7; --fifth: #c2588a; --sixth: #6b7f1d; --shade: rgb(0 0 0 / 18%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --surface: #0d1117; --raised: #161b22; --line: #30363d; --ink: #e6edf3; --muted: #9198a1;
    --fused: #4c9bf5; --composed: #d6873a; --stock: #7d8590; --third: #3fb27f; --wrong: #ff7b72;
    --fourth: #a98be0; --fifth: #e080ab; --sixth: #9db23c; --shade: rgb(255 255 255 / 22%);
  }
}`;

/** The page's style. */
export const STYLE: string = `${COLORS}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0 auto; max-width: 1140px; padding: 40px 24px 64px; background: var(--surface); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', sans-serif; overflow-wrap: break-word;
}
h1 { margin: 0; font-size: 28px; line-height: 1.25; letter-spacing: -0.01em; }
hr { margin: 64px 0; border: 0; border-top: 1px solid var(--line); }
h2 { margin: 40px 0 4px; font-size: 24px; line-height: 1.3; letter-spacing: -0.01em; }
h3 { margin: 48px 0 4px; font-size: 19px; line-height: 1.35; }
h4 { margin: 28px 0 8px; font-size: 15px; }
h2 > a, h3 > a, h4 > a { color: inherit; text-decoration: none; }
h2 > a:hover::after, h3 > a:hover::after, h4 > a:hover::after { content: ' #'; color: var(--muted); }
p { margin: 4px 0; max-width: 76ch; }
.muted { color: var(--muted); }
.wrong { color: var(--wrong); font-weight: 600; }
code { padding: 1px 5px; border-radius: 4px; background: var(--raised); font-size: 0.9em; overflow-wrap: anywhere; }
nav { margin: 32px 0 0; padding: 16px 20px; border: 1px solid var(--line); border-radius: 10px; font-size: 14px; }
nav ol { margin: 0; padding: 0 0 0 20px; columns: 2 340px; column-gap: 40px; }
nav ul { margin: 2px 0 8px; padding: 0 0 0 16px; list-style: none; font-size: 13px; }
nav li { break-inside: avoid; }
nav a { color: var(--fused); text-decoration: none; }
nav a:hover { text-decoration: underline; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(195px, 1fr)); gap: 12px; margin: 28px 0 0; padding: 0; }
.tile { padding: 16px 18px; border: 1px solid var(--line); border-radius: 10px; background: var(--raised); }
.tile b { display: block; font-size: 22px; line-height: 1.4; letter-spacing: -0.01em; white-space: nowrap; }
.tile span { color: var(--muted); font-size: 13px; line-height: 1.4; display: block; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 24px; margin-top: 16px; }
.panels.wide { grid-template-columns: minmax(0, 1fr); }
.panels.narrow { grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
figure { margin: 0; min-width: 0; }
figcaption { margin: 0 0 4px; font-size: 13px; font-weight: 600; color: var(--muted); }
figure svg { display: block; max-width: 100%; height: auto; }
figure .fixed svg { max-width: none; }
.phone { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 10px 0 0; padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: 11px; height: 11px; margin-right: 7px; border-radius: 3px; vertical-align: -1px; }
.scroll {
  overflow-x: auto;
  background:
    linear-gradient(to right, var(--surface) 30%, transparent) left / 40px 100% no-repeat local,
    linear-gradient(to left, var(--surface) 30%, transparent) right / 40px 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / 14px 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / 14px 100% no-repeat scroll;
}
table { width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th { font-weight: 600; color: var(--muted); text-align: left; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); }
td.right, th.right { text-align: right; }
tr.fused td:first-child { font-weight: 600; }
.verdict { display: inline-block; padding: 0 8px; border: 1px solid currentColor; border-radius: 10px; }
.verdict.good { color: var(--third); font-weight: 600; }
.verdict.bad { color: var(--wrong); border-style: dashed; }
.verdict.open { color: var(--muted); border-color: transparent; padding: 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 20px; margin: 12px 0; font-size: 14px; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 620px) {
  body { padding: 24px 16px 48px; }
  h1 { font-size: 24px; }
  .screen { display: none; }
  .phone { display: block; }
  .tile b { white-space: normal; }
  nav ul { display: none; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 8px; }
}
@media print { h2, h3, h4, figure { break-inside: avoid; } nav { display: none; } }`;
