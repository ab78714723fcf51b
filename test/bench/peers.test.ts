import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { readDocument } from '../../src/bench/document.js';
import { type CommandResult, runCommand } from '../../src/common/command.js';
import { sampleOf } from '../../src/op/sample.js';
import { peersPython } from '../../tools/python.js';
import { native } from '../native/harness.js';
import { runNative } from '../native/run.js';
import { ROOT, removeFolders, temporaryFolder, writeFiles } from '../tensorflow/link-harness.js';
import { evaluate, hasPython, PEERS } from './python.js';

if (!hasPython) console.warn('skipped: the tests of bench/peers: there is no python3');
const python = hasPython ? await peersPython() : 'python3';
const hasTorch = hasPython && (await runCommand(python, ['-c', 'import torch'])).status === 0;
if (!hasTorch) console.warn('skipped: the peers themselves: no PyTorch; npm run bench:peers -- --install');

afterAll(removeFolders);

/** Runs a program of this checkout's TypeScript. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  const node = ['--import', import.meta.resolve('tsx'), join(ROOT, program), ...args];
  return runCommand(process.execPath, node, { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env });
}

/** A folder whose `torch` is the given module. */
function folderWithTorch(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  writeFiles(folder, files);
  return folder;
}

describe.skipIf(!hasPython || native === undefined)('the C ABI through ctypes', () => {
  test('lays out its structures as the header does', async () => {
    const layout = await evaluate(`
import ctypes, json, polycom
offsets = lambda type: {name: getattr(type, name).offset for name, *_ in type._fields_}
print(json.dumps([offsets(polycom.Arguments), offsets(polycom.TensorView),
                  ctypes.sizeof(polycom.Arguments), ctypes.sizeof(polycom.block_type(3))]))`);
    expect(layout).toEqual([
      {
        size: 0,
        n_inputs: 8,
        n_outputs: 12,
        n_scalars: 16,
        reserved: 20,
        scalars: 24,
        workspace: 88,
        workspace_size: 96,
      },
      { data: 0, dtype: 8, rank: 12, shape: 16, strides: 80 },
      104,
      104 + 3 * 144,
    ]);
  });

  test('gives what koffi gives, to the bit, from strided rows', async () => {
    const polynorm = activationRows.find(({ name }) => name === 'polynorm')!;
    const sample = sampleOf(polynorm, 3, 37);
    const given = [...Object.values(sample.tensors).map(({ values }) => values), sample.upstream[0]].map(
      (values) => Array.from(values),
    );
    const queue = native!.createQueue();
    const wanted = runNative(queue, polynorm, sample);
    queue.dispose();
    const got = await evaluate<number[][]>(
      `
import ctypes, json, sys, polycom
rows, cols, stride = 3, 37, 40
def tensor(values, shape, strides):
    memory = (ctypes.c_float * (stride * rows))(*values)
    return polycom.Tensor(ctypes.addressof(memory), "f32", shape, strides, owner=memory)
def matrix(values):
    padded = [part for i in range(rows) for part in values[i * cols:(i + 1) * cols] + [9.0] * (stride - cols)]
    return tensor(padded, (rows, cols), (stride, 1))
nothing = [float("nan")] * rows * cols
x, weight, bias, dy = json.loads(sys.argv[2])
inputs = [matrix(x), tensor(weight, (3,), (1,)), tensor(bias, (), ())]
outputs = [matrix(nothing), matrix(nothing), tensor([], (3,), (1,)), tensor([], (), ())]
with polycom.Library(sys.argv[1]).queue(threads=2) as queue:
    queue.prepare("polynorm_forward", inputs, outputs[:1], [1e-6, 0]).run()
    queue.prepare("polynorm_backward", [*inputs, matrix(dy)], outputs[1:], [1e-6, 0]).run()
    queue.synchronize()
results = [[t.owner[i * stride + j] for i in range(rows) for j in range(cols)] for t in outputs[:2]]
assert all(t.owner[i * stride + j] == 9.0 for t in outputs[:2] for i in range(rows) for j in range(cols, stride))
print(json.dumps([*results, list(outputs[2].owner[:3]), [outputs[3].owner[0]]]))`,
      [native!.path, JSON.stringify(given)],
    );
    expect(got).toEqual([...wanted.outputs, ...wanted.gradients].map((values) => Array.from(values)));
  });

  test('raises what the library refuses, and what is no library', async () => {
    const messages = await evaluate<string[]>(
      `
import json, sys, polycom
def message(f):
    try: f()
    except polycom.PolycomError as error: return str(error)
library = polycom.Library(sys.argv[1])
queue = library.queue()
matrix = polycom.Tensor(64, "f32", (2, 2), (2, 1))
print(json.dumps([
    message(lambda: queue.prepare("relu_forward", [matrix, matrix], [matrix])),
    message(lambda: queue.prepare("nosuch_forward", [matrix], [matrix])),
    message(lambda: queue.prepare("relu_forward", [matrix._replace(shape=(2,))], [matrix])),
    message(lambda: polycom.Library("/nonexistent/libpolycom.so")),
    library.build_info()["simd"], str(library.device_count("cpu"))]))
queue.close()`,
      [native!.path],
    );
    expect(messages).toEqual([
      expect.stringContaining('relu_forward: got 2 inputs, 1 outputs and 0 scalars; expected 1, 1 and 0'),
      expect.stringContaining('no pc_nosuch_forward_plan'),
      expect.stringContaining('shape (2,) with strides (2, 1)'),
      expect.stringContaining('/nonexistent/libpolycom.so is no libpolycom'),
      native!.build.simd,
      '1',
    ]);
  });
});

describe.skipIf(!hasPython)('bench/peers', () => {
  test('stands beside every activation of the table', async () => {
    const PYTHONPATH = folderWithTorch({
      'torch/__init__.py': 'class Tensor: pass\n',
      'torch/nn/__init__.py': '',
      'torch/nn/functional.py': '',
    });
    const script = `
import json, sys
sys.path[:0] = sys.argv[1:]
from activations import ACTIVATIONS
print(json.dumps([[a.native, list(a.inputs), list(a.scalars)] for a in ACTIVATIONS]))`;
    const peers = await evaluate<[string, string[], string[]][]>(script, [PYTHONPATH]);
    const ours = activationRows.map(({ name, inputs, scalars }) => [name, [...inputs], Object.keys(scalars)]);
    expect(peers).toEqual(expect.arrayContaining(ours));
    for (const peer of peers) expect(ours).toContainEqual(peer);
  });

  test('fails what is wrong or throws, and never times it', async () => {
    const rows = await evaluate(`
import json
from sampling import Contender, Effort, measure
calls = []
def contender(name, failure):
    def check():
        if failure == "throws": raise ValueError("first line\\nsecond line")
        return failure
    row = {"label": name, "pass": "forward", "variant": "fused"}
    return Contender(row, 4_000_000, check, lambda: calls.append(name))
rows = measure([contender("a", "is off"), contender("b", None), contender("c", "throws")], Effort(2, 2, 0))
assert set(calls) == {"b"}
print(json.dumps(rows))`);
    const of = (label: string) => ({ label, pass: 'forward', variant: 'fused' });
    expect(rows).toEqual([
      { ...of('a'), ok: false, failure: 'is off' },
      expect.objectContaining({
        ...of('b'),
        ok: true,
        samples: expect.any(Number),
        ms_p50: expect.any(Number),
      }),
      { ...of('c'), ok: false, failure: 'ValueError: first line' },
    ]);
  });

  test('writes a document that the report shows, and prints it', async () => {
    const json = join(temporaryFolder(), 'new', 'peers.json');
    const text = await evaluate<string>(
      `
import json, sys
from document import document, format_table, relate, write_json
base = {"op": "polynorm", "label": "PolyNorm", "pass": "forward", "rows": 2048, "cols": 5632, "dtype": "f32",
        "device": "cpu", "backend": "native", "variant": "fused", "ok": True}
timing = lambda ms: {"ms_p20": ms, "ms_p50": ms, "ms_p80": ms, "samples": 9, "gb_per_s": round(90 / ms, 3)}
copy = {**base, "op": "copy", "label": "copy", "pass": "copy", "variant": "copy"}
peer = {**base, "backend": "pytorch"}
rows = relate([{**copy, **timing(5), "method": "memcpy"}, {**copy, **timing(4), "method": "torch copy_"},
               {**base, **timing(8)}, {**peer, **timing(1500), "variant": "peer:pytorch-eager"},
               {**peer, "ok": False, "failure": "y is off", "variant": "peer:pytorch-compiled"}], 1 << 20)
write_json(sys.argv[1], document(rows, "a command", "avx2", {"pytorch": "2"}, ["a note"]))
print(json.dumps(format_table(rows)))`,
      [json],
    );
    expect(text).toMatch(/PolyNorm +forward +8 ms +8 ms – 8 ms +50% +1\.5 s \(187\.50×\) +FAILED/);
    expect(text).toContain('copy (torch copy_): 4 ms');
    expect(text).toContain('FAILED: PolyNorm forward, peer:pytorch-compiled: y is off');
    const { machine, results } = readDocument(json);
    expect(results.map(({ variant, of_copy }) => [variant, of_copy])).toEqual([
      ['copy', undefined],
      ['fused', 0.5],
      ['peer:pytorch-eager', 0.002667],
      ['peer:pytorch-compiled', undefined],
    ]);
    expect(machine).toMatchObject({ cpus: expect.any(Number), simd: 'avx2', os: expect.any(String) });
    await expectReport(json);
  });

  test.for<readonly [string, () => ReturnType<typeof runCommand>]>([
    [
      'the script',
      () => runCommand('python3', ['-B', join(PEERS, 'pytorch_cpu.py'), '--library', 'none'], torchless()),
    ],
    [
      'npm run bench:peers',
      () => run('tools/peers.ts', [], { ...torchless(), POLYCOM_CACHE: temporaryFolder() }),
    ],
  ])('without PyTorch %s says that it is skipped, and succeeds', async ([name, start], context) => {
    if (name !== 'the script' && native === undefined) context.skip('there is no native library');
    const { status, stdout, stderr } = await start();
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(
      'peers: skipped: PyTorch cannot be imported (not here); remedy: npm run bench:peers -- --install\n',
    );
  });

  test('without a library npm run bench:peers says that it is skipped, and succeeds', async () => {
    const { status, stdout } = await run('tools/peers.ts', [], {
      POLYCOM_LIBRARY: '/nonexistent/libpolycom.so',
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^peers: skipped: .*; remedy: .*\n$/);
  });
});

describe.skipIf(!hasTorch || native === undefined)('PyTorch', () => {
  test('is measured beside ours', async () => {
    const json = join(temporaryFolder(), 'peers.json');
    const args = [
      '--shapes',
      '24x64',
      '--dtype',
      'f32,bf16',
      '--ops',
      'polynorm,swiglu,silu',
      '--seconds',
      '0',
    ];
    const { status, stdout, stderr } = await run('tools/peers.ts', [...args, '--json', json]);
    expect(status, stderr).toBe(0);
    const { command, notes, results, versions } = readDocument(json);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(command).toBe(`npm run bench:peers -- ${args.join(' ')}`);
    expect(stdout).toContain('24×64 bf16');
    expect(versions).toMatchObject({ pytorch: expect.any(String), polycom: native!.build.version });
    const compiled = notes.some((note) => note.startsWith('left out: PyTorch compiled'))
      ? []
      : ['peer:pytorch-compiled'];
    const variants = [...compiled, 'peer:pytorch-eager', 'fused'];
    const onednn = notes.some((note) => note.startsWith('left out: oneDNN')) ? [] : ['peer:onednn'];
    for (const op of ['polynorm', 'swiglu', 'silu']) {
      for (const pass of ['forward', 'forward_backward']) {
        for (const dtype of ['f32', 'bf16']) {
          const found = results.filter((row) => row.op === op && row.pass === pass && row.dtype === dtype);
          const wanted = [...variants, ...(op === 'silu' ? onednn : [])].sort();
          expect(found.map(({ variant }) => variant).sort()).toEqual(wanted);
        }
      }
    }
    await expectReport(json);
  }, 400_000);

  test('is found out where it is wrong, in any row, output or dtype', async () => {
    const found = await evaluate<(string | null)[]>(
      `
import json, torch
from activations import ACTIVATIONS
from cases import Case, Data, PEER_BOUNDS, Shape, disagreement
case = Case(ACTIVATIONS[0], Data(Shape(48, 64), "f32"))
y = ACTIVATIONS[0].formula(*case.inputs)
leaves = [tensor.clone().requires_grad_() for tensor in case.inputs]
gradients = torch.autograd.grad(ACTIVATIONS[0].formula(*leaves), leaves, case.dy)
late = y.clone(); late[40, 7] += 0.1
hole = y.clone(); hole[1, 1] = float("nan")
scaled = [gradients[0], gradients[1] * 1.1, gradients[2]]
check = lambda outputs, expected: disagreement(outputs, expected, PEER_BOUNDS["f32"])
print(json.dumps([check([y], [case.y]), check(gradients, case.gradients), check([late], [case.y]),
                  check([hole], [case.y]), check(scaled, case.gradients), check([y.half()], [case.y])]))`,
      [],
      python,
    );
    expect(found).toEqual([
      null,
      null,
      expect.stringMatching(/^y is off by/),
      expect.stringMatching(/^y is off by nan/),
      expect.stringMatching(/^dweight is off by/),
      expect.stringMatching(/^y is \(48, 64\) torch\.float16; expected/),
    ]);
  });
});

/** An environment in which importing PyTorch fails. */
function torchless(): NodeJS.ProcessEnv {
  const PYTHONPATH = folderWithTorch({ 'torch.py': 'raise ImportError("not here")\n' });
  return { ...process.env, PYTHONPATH };
}

async function expectReport(json: string): Promise<void> {
  const page = join(temporaryFolder(), 'peers.html');
  const { status, stderr } = await run('src/cli/main.ts', ['bench', 'report', json, page]);
  expect(status, stderr).toBe(0);
  expect(readFileSync(page, 'utf8')).toContain('>Against other libraries: ');
  const same = await run('src/cli/main.ts', ['bench', 'compare', json, json]);
  expect(same.status, same.stderr).toBe(0);
  expect(same.stdout).toContain('0 changed beyond');
}
