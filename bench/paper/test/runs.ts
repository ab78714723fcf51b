import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ActivationName, configOf } from 'polycom/model';
import { afterAll } from 'vitest';
import type { Scale, Size } from '../plan/scales.js';
import { idOf, syntheticData } from '../plan/specs.js';
import { RunStore } from '../run/store.js';
import type { RunSpec } from '../types.js';

// Workers are forked from the sources.
export const fromSources: readonly string[] = [
  '--conditions=polycom-source',
  '--import',
  import.meta.resolve('tsx'),
];
process.execArgv = [...fromSources];

/** The folder of the repository. */
export const ROOT: string = fileURLToPath(new URL('../../../', import.meta.url));

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** An empty folder, which goes when the file's tests have ended. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycom-paper-'));
  folders.push(folder);
  return folder;
}

const SIZE = { width: 8, layers: 1, heads: 1, kvHeads: 1, headWidth: 8, hidden: 16, context: 8 };

/** A run that takes a moment. */
export function tinySpec(activation: ActivationName, seed: number, steps = 12): RunSpec {
  const data = syntheticData({ vocabulary: 16, length: 2 ** 12 });
  const hidden = activation === 'swiglu' ? 16 : 24;
  return {
    schema: 1,
    config: configOf('tiny', { ...SIZE, hidden, activation, vocabulary: 16 }),
    data,
    settings: { steps, batch: 4, time: 8, learningRate: 1e-2, seed, evalEvery: 4, evalBatches: 2 },
    finalWindows: 16,
    probes: [],
  };
}

const tiny: Size = { name: '8x1', preset: 'tiny', set: SIZE };

/** A scale whose runs take a moment each. */
export const tinyScale: Scale = {
  name: 'quick',
  sizes: [tiny, { ...tiny, name: '8x2', set: { ...SIZE, layers: 2 } }],
  dense: 0,
  moe: { name: '8x1 moe', preset: 'tiny-moe', set: { ...SIZE, hidden: 8 } },
  settings: { steps: 6, batch: 4, time: 8, evalEvery: 3, evalBatches: 2 },
  finalWindows: 64,
  seeds: [1, 2],
  otherSeeds: 1,
  sweepSeed: 0,
  rates: [4e-3, 8e-3],
  extensions: 1,
  rate: 4e-3,
  synthetic: 2 ** 15,
  threads: 1,
};

/** The lines of a run's log, of one kind. */
export function logOf(store: string, spec: RunSpec, kind: string): Record<string, unknown>[] {
  const file = join(new RunStore(store).trainingOf(idOf(spec)), 'log.jsonl');
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line)).filter((record) => record.kind === kind);
}

/** The steps and evaluations of a run's log, without how long they took. */
export function lossesOf(store: string, spec: RunSpec): Record<string, unknown>[] {
  return ['step', 'eval'].flatMap((kind) =>
    logOf(store, spec, kind).map(({ seconds: _, tok_per_s: __, ...rest }) => rest),
  );
}
