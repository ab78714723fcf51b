import { escapeHtml } from './parts.js';
import { STYLE } from './style.js';

/** What a page shows. */
export interface Page {
  readonly title: string;
  /** Behind the page's own style. */
  readonly style?: string;
  /** HTML before the table of contents. */
  readonly head: string;
  /** HTML whose headings, from `h2` on, the table of contents lists. */
  readonly content: string;
}

/** A page that needs nothing but itself, with a table of contents of its headings, each of which can be linked to. */
export function formatPage({ title, style = '', head, content }: Page): string {
  const { html, contents } = withAnchors(content);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
${STYLE}
${style}
</style>
</head>
<body>
<header>
${head}
</header>
${contents}
<main>
${html}
</main>
</body>
</html>
`;
}

interface Heading {
  readonly level: number;
  readonly id: string;
  /** HTML. */
  readonly text: string;
}

/** Gives every heading an id and a link to itself, and lists the first two levels. */
function withAnchors(content: string): { html: string; contents: string } {
  const headings: Heading[] = [];
  const taken = new Set<string>();
  const html = content.replace(/<h([2-4])>(.*?)<\/h\1>/gs, (_, level: string, text: string) => {
    const id = uniqueId(text, taken);
    headings.push({ level: Number(level), id, text });
    return `<h${level} id="${id}"><a href="#${id}">${text}</a></h${level}>`;
  });
  return { html, contents: formatContents(headings.filter(({ level }) => level < 4)) };
}

function formatContents(headings: readonly Heading[]): string {
  if (headings.length < 2) return '';
  const link = ({ id, text }: Heading): string => `<a href="#${id}">${text}</a>`;
  const parts = headings.flatMap((heading, i) => {
    if (heading.level !== 2) return [];
    const rest = headings.slice(i + 1);
    const next = rest.findIndex(({ level }) => level === 2);
    const below = next < 0 ? rest : rest.slice(0, next);
    const list = below.map((one) => `<li>${link(one)}</li>`).join('');
    return [`<li>${link(heading)}${list === '' ? '' : `<ul>${list}</ul>`}</li>`];
  });
  return `<nav aria-label="Contents"><ol>${parts.join('\n')}</ol></nav>`;
}

/** `loss-curves-on-a-text`, and a number behind it where that is taken. */
function uniqueId(text: string, taken: Set<string>): string {
  const words = text
    .replaceAll(/&\w+;|<[^>]*>/g, ' ')
    .toLowerCase()
    .match(/[\p{L}\p{N}]+/gu);
  const base = words?.join('-') ?? 'part';
  let id = base;
  for (let count = 2; taken.has(id); ++count) id = `${base}-${count}`;
  taken.add(id);
  return id;
}
