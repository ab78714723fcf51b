/** A word of a command that is printed to be given again: in quotes where a shell would read it otherwise. */
export function quoted(word: string): string {
  return /^[\w@%+:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
