import { tensorflowStatus } from '../../src/tensorflow/index.js';
import '@tensorflow/tfjs';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { type Data, openData } from '../../src/data/index.js';
import { type ConfigOverrides, configOf, type ModelConfig } from '../../src/model/index.js';
import type { SomeSettings } from '../../src/train/index.js';

/** The backends of tfjs that there are here. */
export const backends: readonly string[] =
  tensorflowStatus.package === undefined ? ['cpu'] : ['tensorflow', 'cpu'];
if (backends.length === 1) console.warn(`skipped: training on tfjs-node: ${tensorflowStatus.missing}`);

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The path of a folder that is not there yet, and goes when the file's tests have ended. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycom-train-'));
  folders.push(folder);
  return join(folder, 'run');
}

/** A model that takes a step in a few milliseconds, in JavaScript too. */
export function smallModel(preset: 'tiny' | 'tiny-moe', overrides: ConfigOverrides = {}): ModelConfig {
  const sizes = { vocabulary: 16, width: 8, layers: 2, heads: 2, kvHeads: 1, headWidth: 4, hidden: 12 };
  return configOf(preset, { ...sizes, context: 8, ...overrides });
}

/** A synthetic language of 16 tokens. */
export function smallData(length = 4096, seed = 0): Promise<Data> {
  return openData('synthetic', { synthetic: { vocabulary: 16, length, seed } });
}

export const smallSettings: SomeSettings = { steps: 8, batch: 2, evalEvery: 4, evalBatches: 2, saveEvery: 3 };

/** The lines of a run's log, of one kind. */
export function logOf(run: string, kind: string): Record<string, unknown>[] {
  const lines = readFileSync(join(run, 'log.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line)).filter((record) => record.kind === kind);
}

/** What steps came to, without how long they took. */
export function resultsOf(run: string): Record<string, unknown>[] {
  return logOf(run, 'step').map(({ seconds: _, tok_per_s: __, ...results }) => results);
}
