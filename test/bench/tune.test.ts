import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';
import { runCommand } from '../../src/common/command.js';
import { packageFolder } from '../../src/common/package.js';
import { findMapping, type Mapping, replaceMappings } from '../../src/native/mapping.js';
import { useTunedMappings } from '../../src/native/tuned.js';
import { emulatedCuda } from '../native/harness.js';
import { CHECKS, GPU, hasPython, PEERS } from './python.js';

const cuda = await emulatedCuda();
if (!hasPython) console.warn('skipped: the tests of tune.py: there is no python3');
const folder = mkdtempSync(join(tmpdir(), 'polycom-tune-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  if (cuda !== undefined) replaceMappings(cuda, []);
});

const mapping: Mapping = {
  architecture: 90,
  pass: 'forward',
  item: 2,
  path: 'staged',
  threads: 96,
  stages: 3,
  cluster: 2,
  slots: 1000,
};

test.skipIf(cuda === undefined)('measured mappings stand before the table, those of newer GPUs first', () => {
  writeFileSync(join(folder, 'sm_90.json'), JSON.stringify({ mappings: [mapping] }));
  writeFileSync(
    join(folder, 'sm_100.json'),
    JSON.stringify({ mappings: [{ ...mapping, architecture: 100, threads: 64 }] }),
  );
  writeFileSync(join(folder, 'notes.txt'), 'no mappings');
  expect(useTunedMappings(cuda!, folder)).toBe(2);
  expect(findMapping(cuda!, 90, 'forward', 2, 1000)).toMatchObject(mapping);
  expect(findMapping(cuda!, 100, 'forward', 2, 1000).threads).toBe(64);
  expect(findMapping(cuda!, 90, 'forward', 4, 1000).threads).not.toBe(96);
});

test.skipIf(cuda === undefined)('files that cannot be used are said and left out', () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  writeFileSync(join(folder, 'sm_90.json'), JSON.stringify({ mappings: [mapping] }));
  writeFileSync(join(folder, 'sm_100.json'), JSON.stringify({ mappings: [{ ...mapping, threads: 31 }] }));
  writeFileSync(join(folder, 'sm_80.json'), 'half a fi');
  expect(useTunedMappings(cuda!, folder)).toBe(1);
  expect(said.mock.calls.join()).toMatch(
    /sm_100\.json is left out .*threads is 31[\s\S]*sm_80\.json is left out/,
  );
  said.mockRestore();
  expect(useTunedMappings(cuda!, join(folder, 'absent'))).toBe(0);
});

test.skipIf(cuda === undefined || !hasPython)(
  'tune.py measures every mapping that can be launched, and its lines can be used',
  async () => {
    const tune = join(GPU, 'tune.py');
    const out = join(folder, 'tuned', 'sm_90.json');
    const args = ['--device', 'emulated', '--ladder', '10,40', '--out', out, '--library', cuda!.path];
    const run = await runCommand('python3', ['-B', tune, ...args]);
    expect(run.status, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/gated_backward 2 bytes +40 slots/);
    const { mappings, measured } = JSON.parse(readFileSync(out, 'utf8'));
    expect(measured).toHaveLength(4 * 2 * 2);
    expect(useTunedMappings(cuda!, join(folder, 'tuned'))).toBe(mappings.length);
    const last = mappings.findLast((line: Mapping) => line.pass === 'backward' && line.item === 4);
    expect(findMapping(cuda!, 90, 'backward', 4, 40)).toMatchObject(last);
  },
  300_000,
);

test.skipIf(!hasPython)('tune.py rewrites the lines of one architecture in the table', async () => {
  const table = join(folder, 'mappings.h');
  const before = readFileSync(join(packageFolder, 'native', 'activations', 'cuda', 'mappings.h'), 'utf8');
  writeFileSync(table, before);
  const script = `
import sys; from pathlib import Path; sys.path[:0] = sys.argv[2:]
from mapping_table import rewrite; from mappings import Mapping
line = Mapping(90, "forward", 2, "staged", 128, 2, 1, 64)
rewrite(90, [line], "Measured.", Path(sys.argv[1])); rewrite(110, [line], "New.", Path(sys.argv[1]))`;
  const run = await runCommand('python3', ['-B', '-c', script, table, GPU, PEERS, CHECKS]);
  expect(run.status, run.stderr).toBe(0);
  const after = readFileSync(table, 'utf8');
  const lines = (text: string, architecture: number) =>
    text.match(new RegExp(`^ +\\{${architecture}, .*$`, 'gm')) ?? [];
  expect(lines(after, 90)).toEqual([
    '    {90, forward, 2, PC_PATH_STAGED, 128, 2, 1, 64},',
    '    {90, forward, 2, PC_PATH_STAGED, 128, 2, 1, 64},',
  ]);
  for (const architecture of [80, 86, 120])
    expect(lines(after, architecture)).toEqual(lines(before, architecture));
  expect(after.indexOf('// New.')).toBeGreaterThan(after.indexOf('{120,'));
  expect(after.indexOf('// Measured.')).toBeLessThan(after.indexOf('{86,'));
});
