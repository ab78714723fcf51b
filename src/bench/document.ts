import { isActivation, labelOf } from '../activations/labels.js';
import { PolycomError } from '../common/errors.js';
import { excerpt, nameOf } from '../common/excerpt.js';
import { readTextSync } from '../common/text.js';
import { shapeName } from './shapes.js';
import type { BenchDocument, ContenderVariant, PeerVariant, Row, RowIdentity, Yardstick } from './types.js';

const TEXTS = ['op', 'label', 'pass', 'dtype', 'device', 'backend', 'variant'] as const;
const REMEDY = 'give a file that polycom bench activations --json wrote';

/**
 * Reads a document that the benchmark wrote.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a file that is missing, no JSON, or another document
 */
export function readDocument(file: string): BenchDocument {
  try {
    return parseDocument(readTextSync(file), file);
  } catch (cause) {
    if (cause instanceof PolycomError) throw cause;
    throw new PolycomError('INVALID_ARGUMENT', `${file} cannot be read`, { remedy: REMEDY, cause });
  }
}

/** As {@link readDocument}, from the text; `name` is what errors call it. */
export function parseDocument(text: string, name: string): BenchDocument {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PolycomError('INVALID_ARGUMENT', `${name} is not JSON`, { remedy: REMEDY, cause });
  }
  const wrong = wrongOf(value);
  if (wrong === undefined) return value as BenchDocument;
  throw new PolycomError('INVALID_ARGUMENT', `${name}: ${wrong}`, { remedy: REMEDY });
}

/** What keeps a value from being such a document. */
function wrongOf(value: unknown): string | undefined {
  if (!isRecord(value)) return 'not an object';
  const { schema, bench } = value;
  if (schema === 1 && bench !== 'activations') return `bench is ${excerpt(bench)}; expected "activations"`;
  return wrongWithin(value, isRow);
}

/** What keeps an object from being a document whose results are of one kind, whichever benchmark's. */
export function wrongWithin(
  value: Record<string, unknown>,
  isResult: (row: unknown) => row is object,
): string | undefined {
  const { schema, results, machine, versions, notes, commit = '' } = value;
  if (schema !== 1) return `schema is ${excerpt(schema)}; expected 1`;
  for (const name of ['date', 'command']) if (typeof value[name] !== 'string') return `${name} is no text`;
  if (typeof commit !== 'string') return 'commit is no text';
  if (!isRecord(machine) || !isRecord(versions)) return 'machine or versions is missing';
  const version = Object.entries(versions).find(([, part]) => typeof part !== 'string');
  const strange = version ?? Object.entries(machine).find((entry) => !isField(entry));
  if (strange !== undefined)
    return `${nameOf(strange[0])} is ${excerpt(strange[1])}, which no benchmark wrote`;
  if (!Array.isArray(notes) || !notes.every((note) => typeof note === 'string')) return 'notes are no texts';
  if (!Array.isArray(results)) return 'results is no list';
  const bad = results.findIndex((row) => !isResult(row) || !Object.entries(row).every(isField));
  return bad < 0 ? undefined : `result ${bad} is not a measurement`;
}

/** The fields of a result or a machine that are texts, where it has them: all others are numbers. */
const TEXT_FIELDS: ReadonlySet<string> = new Set([
  ...TEXTS,
  ...['allocator', 'method', 'traffic', 'timing', 'failure', 'bound'],
  ...['preset', 'activation', 'peak_named', 'phase'],
  ...['cpu', 'os', 'simd', 'gpu', 'gpu_driver', 'tf_allocator', 'tf_onednn'],
]);

function isField([name, value]: readonly [string, unknown]): boolean {
  if (name === 'ok') return typeof value === 'boolean';
  return TEXT_FIELDS.has(name) ? typeof value === 'string' : Number.isFinite(value);
}

function isRow(row: unknown): row is Row {
  if (!isRecord(row) || typeof row.ok !== 'boolean') return false;
  if (!TEXTS.every((name) => typeof row[name] === 'string')) return false;
  if (!Object.hasOwn(PASSES, row.pass as string) || !Object.hasOwn(HOSTS, row.backend as string))
    return false;
  const numbers = ['rows', 'cols', ...(row.ok ? ['ms_p20', 'ms_p50', 'ms_p80', 'gb_per_s'] : [])];
  return numbers.every((name) => Number.isFinite(row[name]));
}

/** Whether a value is an object with keys. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a row measures, as one text: two rows with the same one can be compared. */
export function rowKey(row: RowIdentity): string {
  const { op, variant, pass, dtype, device, backend, allocator = '' } = row;
  return [op, variant, pass, shapeName(row), dtype, device, backend, allocator].join(' ');
}

const PASSES: Readonly<Record<Row['pass'], string>> = {
  forward: 'forward',
  backward: 'backward',
  forward_backward: 'forward + backward',
  copy: '',
  stream: '',
};

/** A pass for people. */
export function passName(pass: Row['pass']): string {
  return PASSES[pass];
}

/** Whether a variant is what others are measured against. */
export function isYardstick(variant: ContenderVariant): variant is Yardstick {
  return variant === 'copy' || variant === 'stream';
}

/** Whether a variant is another library's. */
export function isPeer(variant: ContenderVariant): variant is PeerVariant {
  return variant.startsWith('peer:');
}

/** A peer for people: `PyTorch compiled`. */
export function peerName(variant: PeerVariant): string {
  return variant
    .slice('peer:'.length)
    .replace('pytorch', 'PyTorch')
    .replace('liger', 'Liger')
    .replace('onednn', 'oneDNN')
    .replace('cub', 'CUB')
    .replaceAll('-', ' ');
}

/** The op of a row for people: `PolyNorm`, `ReLU²`; of a stock op, with its library: `tf.relu`. */
export function opName({ op, label, variant }: Row): string {
  return variant === 'stock' || !isActivation(op) ? label : labelOf(op);
}

/** A contender for people: `PolyNorm, fused`. */
export function contenderName(row: Row): string {
  const { variant, method } = row;
  const label = opName(row);
  if (isYardstick(variant)) return `${label} (${method})`;
  if (isPeer(variant)) return `${label}, ${peerName(variant)}`;
  return variant === 'stock' ? label : `${label}, ${variant === 'fused' ? 'fused' : 'composed'}`;
}

/** Rows that were measured together, and what they have in common. */
export interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The rows of a document by host, allocator, shape and dtype, in its order. */
export function groupRows(rows: readonly Row[]): Group[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const title = groupTitle(row);
    const group = groups.get(title);
    if (group === undefined) groups.set(title, [row]);
    else group.push(row);
  }
  return Array.from(groups, ([title, members]) => ({ title, rows: members }));
}

const HOSTS: Readonly<Record<Row['backend'], string>> = {
  native: 'Driven directly',
  tensorflow: 'In tfjs-node',
  pytorch: 'In PyTorch',
};

/** Where and on what a row was measured, for people. */
export function groupTitle(row: Row): string {
  const { allocator, backend, dtype, device } = row;
  const memory = allocator === undefined || allocator === 'bfc' ? '' : `, allocator: ${allocator}`;
  return `${HOSTS[backend]}, ${shapeName(row)} ${dtype}, ${device}${memory}`;
}
