import type { Data } from 'polycom/data';
import { byteTokenizer } from 'polycom/data';

/** The most tokens of held-out text that are looked at. */
const MOST_TOKENS = 2 ** 24;
/** Fewer tokens of a kind than this tell nothing. */
const FEWEST_TOKENS = 512;

/** What a line of a play is: who speaks, or speech in verse or in prose. */
export type LineKind = 'speakers' | 'verse' | 'prose';

/**
 * The kinds of the held-out tokens of a play in plain text, as Project Gutenberg and the "tiny Shakespeare" text set it:
 * speeches with an empty line between them, each after a line with its speaker and a colon. Verse begins every line with
 * a capital; so a speech of several lines of which one begins with a small letter is prose. A speech of one line may
 * be either, and is of no kind.
 *
 * @returns the kind of each held-out token, for byte tokens of a text that has them all; else nothing
 */
export function kindsOfHeldOut({ heldOut, tokenizer, entropy }: Data): (LineKind | undefined)[] | undefined {
  const isText = entropy === undefined && tokenizer.name === byteTokenizer.name;
  if (!isText || heldOut.length > MOST_TOKENS) return undefined;
  const tokens = new Int32Array(heldOut.length);
  heldOut.read(0, tokens);
  const kinds = kindsOfPlay(tokens);
  const counts = (['speakers', 'verse', 'prose'] as const).map(
    (kind) => kinds.filter((found) => found === kind).length,
  );
  return counts.every((count) => count >= FEWEST_TOKENS) ? kinds : undefined;
}

/** The kind of each byte of a play; see {@link kindsOfHeldOut}. */
export function kindsOfPlay(bytes: ArrayLike<number>): (LineKind | undefined)[] {
  const kinds = new Array<LineKind | undefined>(bytes.length).fill(undefined);
  let speech: Line[] = [];
  for (const line of linesOf(bytes)) {
    if (line.end - line.start > 1) {
      speech.push(line);
      continue;
    }
    mark(speech, kinds);
    speech = [];
  }
  mark(speech, kinds);
  return kinds;
}

/** A line with its line break: [start, end). */
interface Line {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const NEWLINE = 10;

function* linesOf(bytes: ArrayLike<number>): Generator<Line> {
  let start = 0;
  for (let i = 0; i < bytes.length; ++i) {
    if (bytes[i] !== NEWLINE && i < bytes.length - 1) continue;
    const line = Array.from({ length: i + 1 - start }, (_, k) => bytes[start + k]!);
    yield { start, end: i + 1, text: String.fromCharCode(...line.slice(0, 256)) };
    start = i + 1;
  }
}

function mark(speech: readonly Line[], kinds: (LineKind | undefined)[]): void {
  const [speaker, ...lines] = speech;
  if (speaker === undefined || !/^[A-Z].*:\n$/.test(speaker.text)) return; // cut off, or no speech
  kinds.fill('speakers', speaker.start, speaker.end);
  if (lines.length < 2) return;
  const kind = lines.some(({ text }) => /^[a-z]/.test(text)) ? 'prose' : 'verse';
  kinds.fill(kind, lines[0]!.start, lines.at(-1)!.end);
}
