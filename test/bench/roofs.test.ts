import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readDocument } from '../../src/bench/document.js';
import { runCommand } from '../../src/common/command.js';
import { loadCharts } from '../../src/report/charts.js';
import { formatReport } from '../../src/report/html.js';
import { emulatedCuda } from '../native/harness.js';
import { ROOT, removeFolders, temporaryFolder, writeFiles } from '../tensorflow/link-harness.js';
import { evaluate, GPU, hasPython } from './python.js';

if (!hasPython) console.warn('skipped: the tests of roofs.py: there is no python3');
const emulated = hasPython ? await emulatedCuda() : undefined;
const transform = emulated === undefined ? undefined : await emulatedTransform(emulated.path);
afterAll(removeFolders);

/** transform.cu for the emulator, whose stand-ins for CUB and Thrust go element by element. */
async function emulatedTransform(library: string): Promise<string> {
  const out = join(temporaryFolder(), 'libtransform.so');
  const includes = ['native', 'native/include', 'test/native/emulator'].map((of) => `-I${join(ROOT, of)}`);
  const language = ['-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', ...includes];
  const source = ['-x', 'c++', join(GPU, 'transform.cu'), '-x', 'none'];
  const cuda = join(dirname(library), 'libemulated_cuda.so');
  const { status, stderr } = await runCommand('c++', [...language, '-o', out, ...source, cuda]);
  expect(status, stderr).toBe(0);
  return out;
}

const main = (args: readonly string[]) => runCommand('python3', ['-B', join(GPU, 'main.py'), ...args]);

test.skipIf(emulated === undefined)(
  'times kernels beside streams and CUB, and the report draws what a width costs',
  async () => {
    const out = temporaryFolder();
    const given = `--widths 8,64,512,1030 --dtype bf16 --transform ${transform}`;
    const where = ['--library', emulated!.path, '--device', 'emulated', '--out', out];
    const { status, stdout, stderr } = await main([...where, '--parts', 'roofs', '--roofs', given]);
    expect(status, stdout + stderr).toBe(0);
    const document = readDocument(join(out, 'roofs.json'));
    const { results } = document;
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(new Set(results.map(({ device, timing }) => `${device} ${timing}`))).toEqual(
      new Set(['emulated device']),
    );
    const peers = results.filter(({ variant, cols }) => variant === 'peer:cub' && cols === 4096);
    const elementwise = [
      ...['relu', 'relu2', 'gelu', 'gelu_tanh', 'silu', 'polyrelu', 'reglu', 'geglu', 'swiglu'],
    ];
    expect(peers.filter(({ pass }) => pass === 'forward').map(({ op }) => op)).toEqual(elementwise);
    expect(peers.filter(({ pass }) => pass === 'backward').map(({ op }) => op)).toEqual(
      elementwise.filter((op) => op !== 'polyrelu'),
    );
    for (const row of results.filter(({ variant }) => variant === 'fused')) {
      expect(row).toMatchObject({ of_copy: expect.any(Number), of_stream: expect.any(Number) });
      expect(row.traffic).toMatch(/^[123]:[12]$/);
    }
    const streams = results.filter(({ variant }) => variant === 'stream').map(({ op }) => op);
    expect(new Set(streams)).toEqual(new Set(['stream 1:1', 'stream 2:1', 'stream 3:2']));
    expect(stdout).toMatch(/PolyNorm +backward +16x64 bf16 +\S+ .s +\S+% +\S+%/);
    const page = formatReport(document, await loadCharts());
    for (const title of ['What a width costs', 'Against other libraries: 16×4096 bf16'])
      expect(page).toContain(`>${title}, emulated<`);
  },
  120_000,
);

test.skipIf(emulated === undefined)(
  'a transform that is wrong is failed, never timed',
  async () => {
    const rows = await evaluate<{ variant: string; op: string; pass: string; failure?: string }[]>(
      `
import argparse, json, sys
import polycom, roofs
from devices import Emulated
from transform import Transform
run = Transform.run
def other(self, name, direction, dtype, inputs, *rest):
    if direction == "forward": run(self, "silu", direction, dtype, inputs, *rest)
    else: run(self, name, direction, dtype, inputs[::-1], *rest)
Transform.run = other
library = polycom.Library(sys.argv[1])
options = argparse.Namespace(dtype=["f32"], ops=["relu"], grid="kernels", widths=[], device="emulated", seconds=60)
(rows,) = roofs.measure_all(library, Emulated(library), Transform(sys.argv[2]), options, [])
print(json.dumps([row for row in rows if not row["ok"] or row["variant"] == "peer:cub"]))`,
      [emulated!.path, transform!],
    );
    expect(rows.map(({ variant, op, pass }) => [variant, op, pass])).toEqual([
      ['peer:cub', 'relu', 'forward'],
      ['peer:cub', 'relu', 'backward'],
    ]);
    for (const row of rows) {
      expect(row.failure).toMatch(/^output 0 is off by/);
      expect(row).not.toHaveProperty('ms_p50');
    }
  },
  120_000,
);

test.skipIf(!hasPython)('a toolkit whose CUB is too old is said, and left out', async () => {
  const folder = temporaryFolder();
  writeFiles(folder, {
    nvcc: `#!/bin/sh\nexec c++ -x c++ -std=c++17 -fsyntax-only ${join(GPU, 'transform.cu')}\n`,
  });
  await runCommand('chmod', ['+x', join(folder, 'nvcc')]);
  const notes = await evaluate<string[]>(
    `
import argparse, json, os, sys
from pathlib import Path
import build, roofs
os.environ["CUDACXX"] = sys.argv[1]
build.FOLDER = Path(sys.argv[2])
notes = []
found = roofs.find_transform(argparse.Namespace(transform=None, device="cuda"), notes)
print(json.dumps([*notes, str(found)]))`,
    [join(folder, 'nvcc'), join(folder, 'gpu')],
  );
  expect(notes).toEqual([
    expect.stringMatching(/^left out: cub::DeviceTransform: .*error.*this toolkit's CUB is too old/),
    'None',
  ]);
});

test.skipIf(!hasPython)('knows what the budget predicts, by the name of the GPU', async () => {
  const found = await evaluate<Record<string, [number, number, string] | null>>(`
import json
from budget import predictions
def of(gpu):
    known = predictions(gpu)
    one = known.get(("GELU tanh", "forward", "bf16"))
    return None if one is None else [len(known), one.share, one.bound]
names = ["NVIDIA H200", "NVIDIA H100 80GB HBM3", "NVIDIA B200", "NVIDIA GeForce RTX 4090", "NVIDIA H100 PCIe", "emulated on the CPU"]
print(json.dumps({name: of(name) for name in names}))`);
  const budget = readFileSync(join(ROOT, 'bench', 'results', 'budget.txt'), 'utf8');
  const lines = budget.match(/^90 .* (bf16|f32) +[\d.]+ +[\d.]+ +\d+ .*$/gm)!.length;
  for (const name of ['NVIDIA H200', 'NVIDIA H100 80GB HBM3', 'NVIDIA B200', 'NVIDIA GeForce RTX 4090']) {
    const [count, share, bound] = found[name]!;
    expect(count, name).toBe(lines);
    expect(bound).toMatch(/^(memory|issue), (memory|issue) \d+ %$/);
    expect(share).toBe(bound.startsWith('memory') ? 1 : Number(/\d+/.exec(bound)![0]) / 100);
  }
  expect(found['NVIDIA H100 PCIe']).toBeNull();
  expect(found['emulated on the CPU']).toBeNull();
});

const hasTransform = hasPython && (await nvccHasTransform());
if (!hasTransform) console.warn('skipped: transform.cu by nvcc: there is none, or its CUB is too old');

/** Whether the nvcc that build.py takes finds DeviceTransform. */
async function nvccHasTransform(): Promise<boolean> {
  const nvcc = await evaluate<string | null>('import json, build; print(json.dumps(build.find_nvcc()))');
  if (nvcc === null) return false;
  const folder = temporaryFolder();
  const probe = '#if __has_include(<cub/device/device_transform.cuh>)\nit_is_there\n#endif\n';
  writeFiles(folder, { 'probe.cu': probe });
  return (await runCommand(nvcc, ['-E', join(folder, 'probe.cu')])).stdout.includes('it_is_there');
}

test.skipIf(!hasTransform)(
  'nvcc compiles the transforms, and they load where there is no GPU',
  async () => {
    const folder = temporaryFolder();
    const build = ['-B', join(GPU, 'build.py'), '--transform', '--architecture', '90', '--folder', folder];
    const { status, stdout, stderr } = await runCommand('python3', build);
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(`${join(folder, 'libtransform.so')}\n`);
    const again = await runCommand('python3', build);
    expect(again.stdout, 'it is up to date').toBe(stdout);
    await evaluate(`import json, sys, transform; transform.Transform(sys.argv[1]); print(json.dumps(None))`, [
      stdout.trim(),
    ]);
  },
  300_000,
);
