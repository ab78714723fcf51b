import { readdirSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PolycomError } from 'polycom';
import { holderName, holderRemedy, makeFolder, takeLock, writeAside } from 'polycom/files';
import { canonical, idOf } from '../plan/specs.js';
import type { RunResult, RunSpec } from '../types.js';

const SPEC = 'spec.json';
const RESULT = 'result.json';
/** `.lock` files are nobody's to commit. */
const LOCK = 'compare.lock';
/** What a finished run has no use of any more. */
const SCAFFOLDING = /^(step-\d+.*|tokenizer(_config)?\.json|\.aside-.*)$/;

/**
 * Runs in a folder, each in one of its own that its id names. A run with a `result.json` is finished: that is written
 * aside and renamed, so it is whole or not there.
 */
export class RunStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The folder of a run, be it there or not. */
  folderOf(id: string): string {
    return join(this.folder, 'runs', id);
  }

  /** The folder in which a run is trained. */
  trainingOf(id: string): string {
    return join(this.folderOf(id), 'training');
  }

  /** The result of a finished run; a damaged or foreign file is none. */
  result(spec: RunSpec): RunResult | undefined {
    const id = idOf(spec);
    try {
      const result = JSON.parse(readFileSync(join(this.folderOf(id), RESULT), 'utf8')) as RunResult;
      return result.schema === 1 && result.id === id && result.host !== undefined ? result : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether a run has begun; it may be finished. */
  hasBegun(spec: RunSpec): boolean {
    try {
      return readdirSync(this.folderOf(idOf(spec))).length > 0;
    } catch {
      return false;
    }
  }

  /**
   * Keeps other processes out while `work` runs: two of them would train in the same folders.
   *
   * @throws {PolycomError} `INVALID_ARGUMENT` where another one is at work there; `FILE_ERROR` where the system refuses
   */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    makeFolder(this.folder);
    const path = join(this.folder, LOCK);
    const unlock = await takeLock(path);
    if (typeof unlock !== 'function') {
      throw new PolycomError('INVALID_ARGUMENT', `${holderName(unlock)} works in ${this.folder} already`, {
        remedy: `wait for it, end it, or name another folder; ${holderRemedy(unlock, path)}`,
      });
    }
    try {
      return await work();
    } finally {
      unlock();
    }
  }

  /** @throws {PolycomError} `FILE_ERROR` where the system refuses */
  async begin(spec: RunSpec): Promise<string> {
    const id = idOf(spec);
    const path = join(this.folderOf(id), SPEC);
    makeFolder(this.folderOf(id));
    await writeAside(path, (writer) => writer.write(Buffer.from(`${canonical(spec)}\n`)));
    return this.trainingOf(id);
  }

  /**
   * Finishes a run: writes its result, then removes its checkpoints; its log stays.
   *
   * @throws {PolycomError} `FILE_ERROR` where the system refuses
   */
  async finish(result: RunResult): Promise<void> {
    const path = join(this.folderOf(result.id), RESULT);
    await writeAside(path, (writer) => writer.write(Buffer.from(`${JSON.stringify(result)}\n`)));
    const training = this.trainingOf(result.id);
    for (const name of await readdir(training)) {
      if (SCAFFOLDING.test(name)) await rm(join(training, name), { recursive: true, force: true });
    }
  }
}
