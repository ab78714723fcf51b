/** Columns of a help text where no terminal says how many it has. */
const COLUMNS = 80;

/**
 * A help text with its paragraphs filled to a width: lines that are not indented and follow each other are one. What is
 * indented, such as an example or a list, stays as it is.
 */
export function filled(text: string, columns: number = process.stdout.columns || COLUMNS): string {
  return text.replaceAll(/(?:^\S.*\n?)+/gm, (paragraph) => {
    const end = paragraph.endsWith('\n') ? '\n' : '';
    return `${fill(paragraph.trim().split(/\s+/), columns)}${end}`;
  });
}

function fill(words: readonly string[], columns: number): string {
  const lines: string[] = [];
  for (const word of words) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length > columns) lines.push(word);
    else lines.splice(-1, 1, longer);
  }
  return lines.join('\n');
}
