/**
 * Damages files and reads them, case after case from a first one on, and says of each what came of it: a line before
 * and a line after. Whoever started it ends it, where a case does.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { PolycomError } from '../../src/common/errors.js';
import { type Loader, loaders } from './loaders.js';
import { damageBytes, damageHeader, damageJson, type Mutation } from './mutate.js';
import { Random } from './random.js';

/** What a line tells. */
export interface Told {
  readonly case: number;
  /** Before it is read: which loader, and what was done to which file. */
  readonly what?: string;
  readonly outcome?: 'refused' | 'accepted' | 'wrong';
  /** What is wrong: an error that is not typed, has no remedy, or is not short; or a result that is not the right one. */
  readonly why?: string;
  /** Of this process. */
  readonly cpuMs?: number;
  /** The most that it ever held beyond what it held before the first case, in MiB. */
  readonly mib?: number;
}

const LONGEST_MESSAGE = 3000;
const [folder, seed, first] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];

function tell(told: Told): void {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

function damage(name: string, content: Buffer, random: Random): Mutation {
  if (name.endsWith('.safetensors') && random.below(4) > 0) return damageHeader(content, random);
  if (!name.endsWith('.json') || random.below(4) === 0) return damageBytes(content, random);
  return damageJson(content, random);
}

/** What is wrong with an error. */
function wrongError(error: unknown): string | undefined {
  if (!(error instanceof PolycomError)) return `not typed: ${(error as Error)?.stack ?? error}`;
  if (error.message.length > LONGEST_MESSAGE) return `a message of ${error.message.length} characters`;
  if (error.code === 'INTERNAL') return `an error of ours: ${error.message}`;
  return error.code === 'INVALID_FILE' && !error.remedy ? `without a remedy: ${error.message}` : undefined;
}

async function tryCase(
  number: number,
  { load, mend, guarded }: Loader,
  at: string,
  whole: unknown,
): Promise<Told> {
  try {
    mend?.(at);
    const got = await load(at);
    if (guarded !== true || isDeepStrictEqual(got, whole)) return { case: number, outcome: 'accepted' };
    return { case: number, outcome: 'wrong', why: 'what it gives is not what was saved' };
  } catch (error) {
    const why = wrongError(error);
    return why === undefined ? { case: number, outcome: 'refused' } : { case: number, outcome: 'wrong', why };
  }
}

await tf.setBackend('cpu');
const wholes = new Map<Loader, unknown>();
for (const [i, loader] of loaders.entries()) {
  const at = join(folder, `whole-${i}`);
  mkdirSync(at, { recursive: true });
  await loader.make(at);
  wholes.set(loader, await loader.load(at));
}
const before = process.resourceUsage().maxRSS;
for (let number = first; ; ++number) {
  const random = new Random(seed * 1_000_003 + number);
  const index = number % loaders.length;
  const loader = loaders[index]!;
  const at = join(folder, 'damaged');
  rmSync(at, { recursive: true, force: true });
  cpSync(join(folder, `whole-${index}`), at, { recursive: true });
  const name = random.pick(loader.files);
  const { content, what } = damage(name, readFileSync(join(at, name)), random);
  writeFileSync(join(at, name), content);
  tell({ case: number, what: `${loader.name}: ${name}: ${what}` });
  const start = process.cpuUsage();
  const told = await tryCase(number, loader, at, wholes.get(loader));
  const { user, system } = process.cpuUsage(start);
  const mib = Math.round((process.resourceUsage().maxRSS - before) / 1024);
  tell({ ...told, cpuMs: Math.round((user + system) / 1000), mib });
}
