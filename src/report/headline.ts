import { passName } from '../bench/document.js';
import { duration, percent, times } from '../bench/format.js';
import { STOCK_ANCHOR } from '../bench/ratios.js';
import { shapeName } from '../bench/shapes.js';
import type { BenchDocument, BenchPass } from '../bench/types.js';
import { rooflineRows } from './roofline.js';
import { atShape, copyRows, extreme, hostRows, measuredPasses, peerGroups } from './select.js';

/** A figure that stands for many, and what it is a figure of. */
export interface HeadlineTile {
  readonly value: string;
  readonly text: string;
}

/** What a document comes to, in a handful of figures. */
export function headline(document: BenchDocument): HeadlineTile[] {
  const roofline = rooflineTiles(document);
  if (roofline.length > 0) return [...roofline, checkTile(document)];
  return [...peerTiles(document), ...copyTiles(document), ...hostTiles(document), checkTile(document)];
}

/** On a GPU, of all shapes together: how near a copy, and how fast beside the fastest peer that was right. */
function rooflineTiles(document: BenchDocument): HeadlineTile[] {
  const rows = rooflineRows(document).filter(({ variant }) => variant === 'fused');
  const groups = peerGroups(document).filter(({ own }) => rows.some((row) => row === own));
  return measuredPasses(rows).flatMap((pass) => {
    const shares = rows.filter((row) => row.pass === pass).map(({ of_copy }) => of_copy);
    const speeds = groups.filter(({ own }) => own.pass === pass).map(({ speed }) => speed);
    const copy = { value: range(shares, percent), text: `of a copy's rate, ${passName(pass)}, every width` };
    const peer = { value: range(speeds, times), text: `the speed of the fastest peer, ${passName(pass)}` };
    return speeds.length === 0 ? [copy] : [copy, peer];
  });
}

function peerTiles(document: BenchDocument): HeadlineTile[] {
  const groups = peerGroups(document);
  const rows = groups.map(({ own }) => own);
  const shape = extreme(rows, 'largest');
  if (shape === undefined) return [];
  return measuredPasses(rows).map((pass) => {
    const speeds = groups.flatMap(({ own, speed }) =>
      own.pass === pass && shapeName(own) === shapeName(shape) ? speed : [],
    );
    return {
      value: range(speeds, times),
      text: `the speed of the fastest peer, ${passName(pass)}, ${shapeName(shape)}`,
    };
  });
}

function copyTiles(document: BenchDocument): HeadlineTile[] {
  const rows = copyRows(document);
  const shape = extreme(rows, 'largest');
  if (shape === undefined) return [];
  const text = `of a copy's rate, kernels driven directly, ${shapeName(shape)}`;
  return [
    {
      value: range(
        atShape(rows, shape).map(({ of_copy }) => of_copy),
        percent,
      ),
      text,
    },
  ];
}

function hostTiles(document: BenchDocument): HeadlineTile[] {
  const rows = hostRows(document).filter(({ variant }) => variant === 'fused');
  const [largest, smallest] = [extreme(rows, 'largest'), extreme(rows, 'smallest')];
  if (largest === undefined || smallest === undefined) return [];
  const pass: BenchPass = 'forward_backward';
  const large = atShape(rows, largest).filter((row) => row.pass === pass);
  const where = `in tfjs-node, ${passName(pass)}, ${shapeName(largest)}`;
  const [composed, stock] = (['vs_reference', 'vs_stock'] as const).map((name) =>
    large.flatMap((row) => row[name] ?? []),
  );
  const calls = atShape(rows, smallest).filter((row) => row.pass === 'forward');
  return [
    { value: range(composed!, times), text: `faster than the unfused compositions ${where}` },
    { value: range(stock!, times), text: `the speed of tf.${STOCK_ANCHOR} ${where}` },
    {
      value: range(
        calls.map(({ ms_p50 }) => ms_p50),
        duration,
      ),
      text: `a call in tfjs-node, forward, ${shapeName(smallest)}`,
    },
  ].filter(({ value }) => value !== '');
}

function checkTile({ results }: BenchDocument): HeadlineTile {
  const right = results.filter(({ ok }) => ok).length;
  const value = right === results.length ? `all ${right}` : `${right} of ${results.length}`;
  return { value, text: 'results right, checked against an f64 reference before they were timed' };
}

/** `71–105 %`: the least and the most, with the unit said once where both have the same. */
function range(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return '';
  const [least, most] = [format(Math.min(...values)), format(Math.max(...values))];
  if (least === most) return most;
  const unit = /[^\d.]*$/.exec(most)![0];
  return least.endsWith(unit) ? `${least.slice(0, least.length - unit.length)}–${most}` : `${least}–${most}`;
}
