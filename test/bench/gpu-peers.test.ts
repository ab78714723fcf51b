import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDocument } from '../../src/bench/document.js';
import { runCommand } from '../../src/common/command.js';
import { loadCharts } from '../../src/report/charts.js';
import { formatReport } from '../../src/report/html.js';
import { peersPython } from '../../tools/python.js';
import { emulatedCuda, native } from '../native/harness.js';
import { removeFolders, temporaryFolder, writeFiles } from '../tensorflow/link-harness.js';
import { evaluate, hasPython, PEERS } from './python.js';

const python = hasPython ? await peersPython() : 'python3';
const hasTorch = hasPython && (await runCommand(python, ['-c', 'import torch'])).status === 0;
if (!hasTorch) console.warn('skipped: the GPU peers: no PyTorch; npm run bench:peers -- --install');
const emulated = hasTorch ? await emulatedCuda() : undefined;

afterAll(removeFolders);

const measure = (args: readonly string[], env: NodeJS.ProcessEnv = process.env) =>
  runCommand(python, ['-B', join(PEERS, 'pytorch_gpu.py'), ...args], env);

describe.skipIf(!hasTorch || native === undefined)('bench/peers/pytorch_gpu.py', () => {
  const works = 'polynorm:bf16:16x64,polynorm:bf16:16x200,polynormglu:f16:16x64,rmsnorm:f32:16x64';
  const quick = ['--peers', 'pytorch-eager,pytorch-eager-f32', '--rounds', '2'];

  test.for([
    { device: 'cpu', library: native },
    { device: 'emulated', library: emulated },
  ])(
    'measures ours beside PyTorch on $device, and the report draws it',
    async ({ device, library }, context) => {
      if (library === undefined) return context.skip(`there is no library for ${device}`);
      const json = join(temporaryFolder(), 'gpu.json');
      const where = [
        '--library',
        library.path,
        '--device',
        device,
        '--json',
        json,
        '--commit',
        '0123456789ab',
      ];
      const first = await measure([...where, '--works', works, ...quick]);
      expect(first.status, first.stdout + first.stderr).toBe(0);
      expect(first.stdout).toMatch(/PolyNorm +forward +16x200 bf16 +\S+ .s +\S+%/);
      const document = readDocument(json);
      expect(document.commit).toBe('0123456789ab');
      expect(document.machine.gpu).toMatch(/^none: /);
      expect(document.results.filter(({ ok }) => !ok)).toEqual([]);
      const of = (op: string, pass: string) =>
        document.results.filter((row) => row.op === op && row.pass === pass && row.cols === 64);
      for (const pass of ['forward', 'backward']) {
        const rows = of('polynorm', pass);
        expect(rows.map(({ variant }) => variant).sort()).toEqual([
          'fused',
          'peer:pytorch-eager',
          'peer:pytorch-eager-f32',
        ]);
        for (const row of rows) expect(row).toMatchObject({ timing: 'device', of_copy: expect.any(Number) });
      }
      for (const row of of('polynorm', 'forward_backward')) expect(row.timing).toBe('wall');
      expect(of('rmsnorm', 'forward').map(({ backend }) => backend)).toEqual(['pytorch', 'pytorch']);
      expect(document.results.filter(({ variant }) => variant === 'copy').length).toBeGreaterThan(0);
      expect(document.notes).toContainEqual(
        expect.stringMatching(/^summary: PolyNorm forward bf16: .* of a copy/),
      );
      if (device === 'emulated') {
        const page = formatReport(document, await loadCharts());
        expect(page).toContain('>Roofline: PolyNorm, emulated</a></h3>');
      }

      // Another slice into the same document: rows of the same name give way, others stay.
      const more = 'polynorm:bf16:16x64,silu:f32:16x64';
      const second = await measure([...where, '--works', more, ...quick, '--append']);
      expect(second.status, second.stderr).toBe(0);
      const both = readDocument(json).results;
      const keys = both.map(({ op, pass, rows, cols, dtype, variant, method }) =>
        [op, pass, rows, cols, dtype, variant, method].join(),
      );
      expect(new Set(keys).size).toBe(keys.length);
      expect(both.some(({ op }) => op === 'silu')).toBe(true);
      expect(both.length).toBeGreaterThan(document.results.length);
    },
  );

  test('fails what is wrong, whoever it is, and never times it', async () => {
    const folder = temporaryFolder();
    // Liger-Kernel's API, with a PolyNorm that forgets its bias; and one that overwrites dy, rightly.
    writeFiles(folder, {
      'liger_kernel/__init__.py': '',
      'liger_kernel/ops/__init__.py': '',
      'liger_kernel/ops/poly_norm.py': `
import torch
from activations import ACTIVATIONS
polynorm = next(each for each in ACTIVATIONS if each.name == 'polynorm').formula
class LigerPolyNormFunction:
    @staticmethod
    def apply(x, weight, bias, epsilon, in_place): return polynorm(x, weight, bias)
def poly_norm_forward(x, weight, bias, epsilon):
    return polynorm(x, weight, bias * 0), x, bias, 1, 1
def poly_norm_backward(dy, x, weight, bias, block, warps, in_place):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, weight, bias)]
    with torch.enable_grad():
        dx, dweight, dbias = torch.autograd.grad(polynorm(*leaves), leaves, dy)
    return (dy.copy_(dx) if in_place else dx), dweight, dbias
`,
      'liger_kernel/ops/relu_squared.py':
        'def relu_squared_forward(x): return x.relu().square()\ndef relu_squared_backward(x, dy): return 2 * dy * x.relu()\n',
      'liger_kernel/ops/swiglu.py': `
import torch
def swiglu_forward(a, b): return a, b, torch.nn.functional.silu(a) * b
def swiglu_backward(a, b, dc):
    s = torch.sigmoid(a)
    da, db = dc * b * s * (1 + a * (1 - s)), dc * a * s
    return a.copy_(da), b.copy_(db)
`,
    });
    const json = join(temporaryFolder(), 'gpu.json');
    const works = 'polynorm:f32:16x64,polynormglu:f32:16x64,relu2:f32:16x64,swiglu:f32:16x64';
    const args = [
      '--library',
      native!.path,
      '--device',
      'cpu',
      '--works',
      works,
      '--peers',
      'liger,liger-in-place',
    ];
    const { status, stdout, stderr } = await measure(
      [...args, '--rounds', '3', '--liger', folder, '--json', json],
      process.env,
    );
    expect(status, stdout + stderr).toBe(0);
    const { results, versions } = readDocument(json);
    const outcome = (op: string, pass: string, variant: string) =>
      results
        .filter((row) => row.op === op && row.pass === pass && row.variant === variant)
        .map(({ ok }) => ok);
    expect(outcome('polynorm', 'forward', 'peer:liger')).toEqual([false]);
    expect(outcome('polynorm', 'backward', 'peer:liger')).toEqual([true]);
    expect(outcome('polynorm', 'backward', 'peer:liger-in-place')).toEqual([true]);
    expect(outcome('polynorm', 'forward_backward', 'peer:liger')).toEqual([]);
    expect(outcome('relu2', 'backward', 'peer:liger')).toEqual([true]);
    expect(outcome('swiglu', 'backward', 'peer:liger')).toEqual([true]);
    const wrong = results.find(({ ok }) => !ok)!;
    expect(wrong).toMatchObject({ failure: expect.stringMatching(/^y is off by/) });
    expect(wrong).not.toHaveProperty('ms_p50');
    expect(stdout).toContain('FAILED: PolyNorm forward 16x64 f32, peer:liger: y is off by');
    expect(versions).toMatchObject({ 'liger-kernel': 'unknown' });
  });

  test('makes its own failures an exit status', async () => {
    const found = await evaluate<[boolean, string]>(
      `
import json, sys
import gpu_contenders, polycom, pytorch_gpu
from activations import ACTIVATIONS
from cases import Case, Data, Shape
from gpu_device import Host
device = Host(polycom.Library(sys.argv[1]), "cpu")
prepare = polycom.Queue.prepare
polycom.Queue.prepare = lambda self, op, inputs, outputs, scalars=(): prepare(
    self, op, inputs, outputs, [0.5, 0] if op.startswith("polynorm") else scalars)
rows = pytorch_gpu.measure_work(device, pytorch_gpu.Work("polynorm", "f32", 16, 64), [], {}, 2)
own = [row for row in rows if row["variant"] == "fused"]
print(json.dumps([any(row["ok"] for row in own), own[0]["failure"]]))`,
      [native!.path],
      python,
    );
    expect(found).toEqual([false, expect.stringMatching(/^y is off by/)]);
  });

  test('compiles the autotuned peer with all that backward passes gain from, where PyTorch has it', async () => {
    const options = await evaluate<Record<string, Record<string, boolean>>>(
      `
import json, torch
from gpu_contenders import COMPILERS, compiler_options, is_option
options = {name: compiler_options(name) for name in COMPILERS}
for given in options.values():
    torch.compile(torch.relu, options=given)  # which refuses what it does not know
assert not is_option("triton.no_such_option") and not is_option("nothing.at_all")
print(json.dumps(options))`,
      [],
      python,
    );
    expect(options['pytorch-compiled']).toEqual({});
    expect(options['pytorch-autotuned']).toMatchObject({
      max_autotune: true,
      coordinate_descent_tuning: true,
      'triton.mix_order_reduction': true,
    });
  });

  test('without a GPU says so, and succeeds', async (context) => {
    const gpu = await runCommand(python, ['-c', 'import torch; print(torch.cuda.is_available())']);
    if (gpu.stdout.trim() === 'True') context.skip('there is a GPU');
    const { status, stdout } = await measure(['--library', 'none']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^gpu peers: skipped: PyTorch .* finds no CUDA device\n$/);
  });
});

describe.skipIf(!hasPython)('the grids of bench/peers', () => {
  interface Work {
    readonly op: string;
    readonly dtype: string;
    readonly rows: number;
    readonly cols: number;
  }
  let grids: { quick: Work[]; full: Work[]; parts: Work[][] };
  beforeAll(async () => {
    grids = await evaluate(`
import json
from gpu_grid import GRIDS, slice_of
plain = lambda works: [{"op": w.op, "dtype": w.dtype, "rows": w.rows, "cols": w.cols} for w in works]
full = GRIDS["full"]()
print(json.dumps({"quick": plain(GRIDS["quick"]()), "full": plain(full),
                  "parts": [plain(slice_of(full, i, 7)) for i in range(1, 8)]}))`);
  });

  test('hold the shapes that the targets are of, once each', () => {
    for (const dtype of ['bf16', 'f32', 'f16']) {
      const polynorm = grids.full.filter((work) => work.op === 'polynorm' && work.dtype === dtype);
      const large = polynorm.filter(({ rows, cols }) => rows * cols >= 2 ** 26).map(({ cols }) => cols);
      expect(large.sort((a, b) => a - b)).toEqual([
        1280, 1536, 2048, 4096, 5504, 8192, 8256, 14336, 16384, 32768, 65536,
      ]);
    }
    const names = grids.full.map((work) => JSON.stringify(work));
    expect(new Set(names).size).toBe(names.length);
    expect(grids.quick.length).toBeGreaterThan(5);
  });

  test('are cut into slices that make up the whole', () => {
    const together = grids.parts.flat().map((work) => JSON.stringify(work));
    expect(together.sort()).toEqual(grids.full.map((work) => JSON.stringify(work)).sort());
  });
});

test('a fixture of an emulated run is what the report takes', () => {
  const file = join(import.meta.dirname, '..', 'report', 'fixtures', 'gpu-emulated.json');
  expect(readDocument(file).machine.gpu).toBe('none: emulated on the CPU');
  expect(readFileSync(file, 'utf8')).toContain('these times say nothing of one');
});
