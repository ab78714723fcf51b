import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PolycomError } from 'polycom';
import { makeFolder, writeAside } from 'polycom/files';
import type { PartName, Parts } from '../types.js';
import { polycomVersion } from './version.js';

/** What the process of a part is asked for. */
export interface PartJob {
  readonly part: PartName;
  readonly quick: boolean;
}

/** What it says: what it is at, or what it found. */
export type PartMessage = { readonly step: string } | { readonly found: unknown };

/** How a part is made. */
export interface PartOptions {
  /** The folder that keeps what was found. */
  readonly store: string;
  readonly quick: boolean;
  /** Of this package: another one makes the part anew. */
  readonly commit?: string;
  /** When aborted, the part is given up. */
  readonly signal?: AbortSignal;
  readonly onStep?: (part: PartName, step: string) => void;
}

/**
 * What the comparison shows beside training: theory, or cost. Made in a process of its own, and kept: the same again is
 * read from the store.
 *
 * @returns nothing where its signal ended it
 * @throws {PolycomError} `INTERNAL` where its process fails
 */
export async function makePart<Name extends PartName>(
  part: Name,
  options: PartOptions,
): Promise<Parts[Name] | undefined> {
  const { store, quick, commit = polycomVersion, signal, onStep } = options;
  const file = join(store, 'parts', `${part}-${quick ? 'quick' : 'full'}-${commit}.json`);
  const kept = read<Parts[Name]>(file);
  if (kept !== undefined || signal?.aborted) return kept;
  const found = await inProcess({ part, quick }, signal, (step) => onStep?.(part, step));
  if (found === undefined) return undefined;
  makeFolder(dirname(file));
  await writeAside(file, (writer) => writer.write(Buffer.from(`${JSON.stringify(found)}\n`)));
  return read(file);
}

function read<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

async function inProcess(
  job: PartJob,
  signal: AbortSignal | undefined,
  onStep: (step: string) => void,
): Promise<unknown> {
  const script = fileURLToPath(new URL('./part-main.ts', import.meta.url));
  const child = fork(script, [JSON.stringify(job)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const stop = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', stop);
  let found: unknown;
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  child.on('message', (message: PartMessage) => {
    if ('found' in message) found = message.found;
    else onStep(message.step);
  });
  const how = await new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.on('close', (status, killed) => resolve(killed ?? status));
    child.on('error', (error) => {
      stderr += `\n${error.message}`;
      resolve(1);
    });
  });
  signal?.removeEventListener('abort', stop);
  if (found !== undefined) return found;
  if (signal?.aborted) return undefined;
  const last = stderr.trim().split('\n').at(-1);
  throw new PolycomError('INTERNAL', `the process of '${job.part}' ended with ${how}: ${last}`);
}
