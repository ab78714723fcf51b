import { findingsOf } from '../judge/findings.js';
import type { CompareDocument } from '../types.js';
import { countVerdicts, type JudgedSet } from './claims.js';
import { share, signed } from './numbers.js';

/** What it comes to, in a handful of figures. */
export function tilesOf(document: CompareDocument, judged: readonly JudgedSet[]): Tile[] {
  return [...lossTiles(document, judged), ...verdictTiles(judged)];
}

interface Tile {
  readonly value: string;
  readonly text: string;
}

function lossTiles(document: CompareDocument, judged: readonly JudgedSet[]): Tile[] {
  const data = document.data[0]?.name;
  if (data === undefined) return [];
  const findings = findingsOf(document, data);
  const tile = (id: string, text: string, format: (value: number) => string, published: number): Tile[] => {
    const found = findings[id];
    if (found === undefined) return [];
    const { mean, low, high } = found;
    const ends = low === null || high === null ? '' : ` [${format(low)}, ${format(high)}]`;
    const verdict = judged[0]?.judgements.find((one) => one.id === id)?.verdict;
    const parts = [
      `${text} on ${data}${ends}`,
      `published ${format(published)}`,
      ...(verdict ? [verdict] : []),
    ];
    return [{ value: format(mean), text: parts.join('; ') }];
  };
  const nats = (value: number): string => signed(value, 3);
  return [
    ...tile('dense-loss-polynorm-swiglu', 'PolyNorm’s training loss less SwiGLU’s', nats, -0.019),
    ...tile('dense-loss-polyrelu-swiglu', 'PolyReLU’s training loss less SwiGLU’s', nats, -0.012),
    ...tile('dense-tokens-polynorm', 'of SwiGLU’s tokens saved by PolyNorm', share, 0.31),
    ...tile('dense-tokens-polyrelu', 'of SwiGLU’s tokens saved by PolyReLU', share, 0.18),
  ];
}

function verdictTiles(judged: readonly JudgedSet[]): Tile[] {
  return judged.map(({ on, judgements }) => {
    const counts = countVerdicts(judgements);
    const tested = counts.reproduced + counts['not reproduced'];
    const untested = counts['not testable here'];
    const rest = untested === 0 ? '' : `; ${untested} more not testable here`;
    return { value: `${counts.reproduced} of ${tested}`, text: `claims reproduced: ${on}${rest}` };
  });
}
