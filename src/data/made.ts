import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isShardsFolder } from './shards.js';

/** The log of a training run, and how its first line begins. */
const LOG = 'log.jsonl';
const LOG_LINE = /^\{"kind":"(start|step|eval)","step":\d/;

/**
 * Whether a folder was made by a command, not for reading as text: a training run, a model or one of its checkpoints, or
 * token shards.
 *
 * @param names of what is in it
 */
export async function isMadeFolder(folder: string, names: readonly string[]): Promise<boolean> {
  if (names.includes('config.json') && names.some((name) => name.endsWith('.safetensors'))) return true;
  if (names.includes('manifest.json') && isShardsFolder(folder)) return true;
  return names.includes(LOG) && (await isRunLog(folder, LOG));
}

/** Whether a file is the log of a training run. */
export async function isRunLog(folder: string, name: string): Promise<boolean> {
  if (name !== LOG) return false;
  const file = await open(join(folder, name), 'r').catch(() => undefined);
  try {
    const { buffer, bytesRead } = (await file?.read(Buffer.alloc(64), 0, 64, 0)) ?? { bytesRead: 0 };
    return LOG_LINE.test(buffer?.toString('latin1', 0, bytesRead) ?? '');
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}
