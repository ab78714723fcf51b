import { isPeer, opName, passName, peerName } from '../bench/document.js';
import { times } from '../bench/format.js';
import { shapeName } from '../bench/shapes.js';
import type { BenchDocument, ContenderVariant, PeerVariant } from '../bench/types.js';
import type { Charts } from './charts.js';
import { drawDots } from './dots.js';
import type { Figure } from './figure.js';
import { measuredPasses, type PeerGroup, peerGroups } from './select.js';

const OWN_COLOR = 'var(--fused)';
/** Of peers, in the order that a document has them. */
const PEER_COLORS = ['var(--composed)', 'var(--stock)', 'var(--third)'] as const;

/** A figure for each shape and dtype at which other libraries were measured beside the fused ops. */
export function peerFigures(document: BenchDocument, charts: Charts): Figure[] {
  const groups = peerGroups(document);
  const variants = [...new Set(groups.flatMap(({ peers }) => peers.map(({ variant }) => variant)))].filter(
    isPeer,
  );
  const legend = [
    { name: 'fused: this package', color: OWN_COLOR },
    ...variants.map((variant) => ({ name: peerName(variant), color: colorOf(variant, variants) })),
  ];
  const titles = [...new Set(groups.map(titleOf))];
  return titles.map((title) => {
    const members = groups.filter((group) => titleOf(group) === title);
    return {
      title,
      caption:
        'Median time of a call. The figure behind a line: how many times as fast ours is as the fastest of the others. ' +
        'Ours is driven directly, into outputs that exist, as oneDNN and CUB are; PyTorch allocates its own.',
      legend,
      panels: measuredPasses(members.map(({ own }) => own)).map((pass) => ({
        title: passName(pass),
        draw: (width) =>
          drawPass(
            members.filter(({ own }) => own.pass === pass),
            variants,
            charts,
            width,
          ),
      })),
    };
  });
}

function titleOf({ own }: PeerGroup): string {
  return `Against other libraries: ${shapeName(own)} ${own.dtype}`;
}

function drawPass(
  groups: readonly PeerGroup[],
  variants: readonly PeerVariant[],
  charts: Charts,
  width: number,
): string {
  const dots = groups.flatMap(({ own, peers }) =>
    [...peers, own].map(({ variant, ms_p50 }) => ({
      name: opName(own),
      ms: ms_p50,
      color: colorOf(variant, variants),
    })),
  );
  const texts = groups.map(({ own, speed }) => ({ name: opName(own), text: times(speed) }));
  return drawDots(charts, dots, width, texts);
}

function colorOf(variant: ContenderVariant, variants: readonly PeerVariant[]): string {
  if (!isPeer(variant)) return OWN_COLOR;
  return PEER_COLORS[variants.indexOf(variant) % PEER_COLORS.length]!;
}
