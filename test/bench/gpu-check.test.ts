import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { activations } from '../../src/activations/table.js';
import { type CommandResult, runCommand } from '../../src/command.js';
import { fusedOps } from '../../src/fused/table.js';
import { passesOf } from '../../src/fused/types.js';
import { expected } from '../../src/op/compare.js';
import { isMatrix, sampleOf } from '../../src/op/sample.js';
import { emulatedCuda, native } from '../native/harness.js';
import { ROOT, removeFolders, temporaryFolder, writeFiles } from '../tensorflow/link-harness.js';
import { evaluate, GPU, hasPython } from './python.js';

if (!hasPython) console.warn('skipped: the tests of bench/gpu: there is no python3');
const emulated = hasPython ? await emulatedCuda() : undefined;
const probe = 'import driver, json; print(json.dumps(driver.gpu_problem() is None))';
const hasGpu = hasPython && (await evaluate<boolean>(probe));

interface PythonPass {
  readonly op: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly scalars: string[];
}
/** The ops of others.py. */
const passes = hasPython
  ? await evaluate<Record<string, PythonPass[]>>(
      `import json, others
both = lambda of: {"op": of.op, "inputs": list(of.inputs), "outputs": list(of.outputs), "scalars": list(of.scalars)}
print(json.dumps({name: [both(of) for of in passes] for name, passes in others.PASSES.items()}))`,
    )
  : {};

afterAll(removeFolders);

function script(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return runCommand('python3', ['-B', join(GPU, name), ...args], { ...process.env, ...env });
}

const hosts = [
  { device: 'cpu', library: native },
  { device: 'emulated', library: emulated },
].flatMap(({ device, library }) => (library === undefined ? [] : [{ device, path: library.path }]));

describe.skipIf(!hasPython)('bench/gpu/reference.py', () => {
  test.each(activations.map((op) => ({ name: op.name, op })))(
    '$name is what it is in TypeScript',
    async ({ name, op }) => {
      const cols = 9;
      const sample = sampleOf(op, 1, cols, { scale: 1.5 });
      const wanted = expected(op, sample);
      const matrices = op.inputs.filter(isMatrix).map((input) => Array.from(sample.tensors[input]!));
      const coefficients = [
        Array.from(sample.tensors.weight ?? []),
        Array.from(sample.tensors.bias ?? [0])[0],
      ];
      const got = await evaluate<{ y: number[][]; gradients: number[][][] }>(
        `
import json, sys
import reference
from vectors import vector
name, matrices, dy, (weight, bias), scalars = json.loads(sys.argv[1])
op = next(op for op in reference.OPS if op.name == name)
of = reference.Coefficients(weight, bias)
rows = [vector(row) for row in matrices]
y = reference.forward(op, rows, of, scalars)
gradients, parts = reference.backward(op, rows, vector(dy), of, scalars)
both = lambda sums: [list(sums.value), list(sums.terms)]
small = [[list(pair) for pair in zip(*parts.dweight)], [[value] for value in parts.dbias]] if op.coefficients else []
print(json.dumps({"y": both(y), "gradients": [*map(both, gradients), *small]}))`,
        [JSON.stringify([name, matrices, Array.from(sample.dy), coefficients, sample.scalars])],
      );
      const all = [wanted.y, ...wanted.gradients];
      for (const [i, [value, terms]] of [got.y, ...got.gradients].entries()) {
        for (const [j, term] of Array.from(all[i]!.terms).entries()) {
          expect(Math.abs(value![j]! - all[i]!.value[j]!)).toBeLessThanOrEqual(1e-12 * term);
          expect(Math.abs(terms![j]! - term)).toBeLessThanOrEqual(1e-12 * term);
        }
      }
      expect(got.gradients).toHaveLength(wanted.gradients.length);
    },
  );

  test('has every activation of the table, with its scalars', async () => {
    const ops = await evaluate<[string, string[], boolean][]>(
      `import json, reference
print(json.dumps([[op.name, list(op.scalars), op.gated] for op in reference.OPS]))`,
    );
    const table = activations.map(({ name, scalars, inputs }) => [name, [...scalars], inputs[0] === 'gate']);
    expect(ops.sort()).toEqual(table.sort());
  });
});

describe.skipIf(!hasPython)('bench/gpu/others.py', () => {
  test.each(fusedOps.map((op) => ({ name: op.name, op })))('$name is as it is in TypeScript', ({ op }) => {
    const wanted = passesOf(op).map(({ native: name, inputs, outputs, scalars }) => {
      return { op: name, inputs: [...inputs], outputs: [...outputs], scalars: [...scalars] };
    });
    expect(passes[op.name]).toEqual(wanted);
  });

  test('with the activations has every op of the header, and a call of each', async () => {
    const header = readFileSync(join(ROOT, 'native/include/polycom.h'), 'utf8');
    const listed = [...header.matchAll(/\b(?:X|PC_OP)\((\w+)(?:, PC_|, 0|\))/g)].map(([, name]) => name!);
    const ops = listed.filter((name) => !['op', 'name'].includes(name));
    expect(ops).toEqual(
      expect.arrayContaining(['copy', 'polynorm', 'attention', 'adamw', 'polynormproducts']),
    );
    const known = [...activations.map(({ name }) => name), ...Object.keys(passes)];
    expect(new Set(known)).toEqual(new Set(ops));
    const called = await evaluate<string[][]>(
      `import json, others
print(json.dumps([sorted({case.name for case in others.others(sizes)}) for sizes in others.SIZES.values()]))`,
    );
    for (const names of called) expect(names).toEqual(Object.keys(passes).sort());
  });
});

describe.skipIf(!hasPython || hosts.length === 0)('bench/gpu/check.py', () => {
  test.each(hosts)('finds nothing wrong on $device', async ({ device, path }) => {
    const json = join(temporaryFolder(), 'check.json');
    const args = [
      '--library',
      path,
      '--device',
      device,
      '--grid',
      'small',
      '--large',
      '26x520',
      '--json',
      json,
    ];
    const ops = ['--ops', 'polynorm,polynormglu,polyrelu,geglu', '--commit', '0123456789ab'];
    const { status, stdout, stderr } = await script('check.py', [...args, ...ops]);
    expect(status, stdout + stderr).toBe(0);
    expect(stdout).not.toContain('FAILED');
    const found = JSON.parse(readFileSync(json, 'utf8'));
    expect(found).toMatchObject({ bench: 'gpu-check', device, commit: '0123456789ab', failures: [] });
    expect(found.sections.grid.checked).toBeGreaterThan(200);
    expect(found.sections.others.checked).toBeGreaterThan(100);
    expect(found.sections.queues.checked).toBeGreaterThan(0);
    expect(found.sections.large).toMatchObject({ checked: 1, failures: 0 });
    expect(found.skipped).toContain("graphs: only CUDA's own streams can be captured");
  });

  test('needs no NumPy, and says what that costs', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, { 'numpy.py': 'raise ImportError("not here")\n' });
    const { device, path } = hosts[0]!;
    const args = [
      '--library',
      path,
      '--device',
      device,
      '--ops',
      'polynorm,geglu',
      '--sections',
      'grid,others',
    ];
    const { status, stdout } = await script('check.py', args, { PYTHONPATH: folder });
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/grid: \d{3} checked, 0 failures/);
    expect(stdout).toMatch(/others: \d{3} checked, 0 failures/);
    expect(stdout).toContain('there is no NumPy');
  });

  test('sees what is wrong with results, memory and reruns', async () => {
    const { device, path } = hosts[0]!;
    const found = await evaluate<Record<string, string[]>>(
      `
import ctypes, json, sys
import checks, guarded, polycom, situations, vectors
from grid import Case, LAYOUTS
from reference import OPS
vectors.quiet()
op = {op.name: op for op in OPS}
queue = polycom.Library(sys.argv[1]).queue("cpu" if sys.argv[2] == "cpu" else "cuda")
case = Case(op["polynorm"], "f32", 3, 60, layout=LAYOUTS[2])
found = {"right": checks.problems_of(queue, case)}

def with_change(target, name, changed, of=case):
    before = getattr(target, name)
    setattr(target, name, changed(before))
    try:
        checks.expected.cache_clear()
        return checks.problems_of(queue, of)
    finally:
        setattr(target, name, before)
        checks.expected.cache_clear()

def other_scalars(prepare):
    return lambda self, name, inputs, outputs, scalars, workspace: prepare(self, name, inputs, outputs, [0.5, 0], workspace)
found["epsilon"] = with_change(polycom.Queue, "prepare", other_scalars)

def poking(at):
    def changed(run):
        def poked(self):
            run(self)
            tensor = self._tensors[-1 if len(self._tensors) == 4 else -3].owner
            byte = ctypes.create_string_buffer(b"!", 1)
            tensor.queue.copy(tensor.address + at, ctypes.addressof(byte), 1)
        return poked
    return changed
found["before"] = with_change(polycom.Call, "run", poking(guarded.GUARD_BYTES - 1))
found["between rows"] = with_change(polycom.Call, "run", poking(guarded.GUARD_BYTES + 60 * 4))

def moody(run):
    calls = [0]
    def run_moodily(self):
        run(self)
        calls[0] += 1
        tensor = self._tensors[-1].owner
        if calls[0] == 4:
            byte = ctypes.create_string_buffer(b"!", 1)
            tensor.queue.copy(tensor.address + guarded.GUARD_BYTES, ctypes.addressof(byte), 1)
    return run_moodily
found["rerun"] = with_change(polycom.Call, "run", moody)

def leaving_a_row(run):
    def left(self):
        run(self)
        y = self._tensors[-1 if len(self._tensors) == 4 else -3].owner
        row = ctypes.create_string_buffer(b"\\0" * 8, 8)
        y.queue.copy(y.address + guarded.GUARD_BYTES + 20 * 60 * 4, ctypes.addressof(row), 8)
    return left
found["equal rows"] = with_change(polycom.Call, "run", leaving_a_row, Case(op["polynorm"], "f32", 32, 60))

clean = situations.tile_problems
tile = [bytes([i]) * 6 for i in range(5)]
address = queue.allocate(600)
memory = bytearray(b"".join(tile) * 20)
memory[6 * 73 + 2] = 99
queue.copy(address, ctypes.addressof((ctypes.c_char * 600).from_buffer(memory)), 600)
found["large"] = list(clean(queue, address, tile, 100, "y", chunk_bytes=64))
queue.free(address)
print(json.dumps(found))`,
      [path, device],
    );
    expect(found.right).toEqual([]);
    expect(found.epsilon).toContainEqual(expect.stringMatching(/ y: 3 of 3 rows are wrong; row 0 is off by/));
    expect(found.epsilon).toContainEqual(expect.stringMatching(/ dweight is off by/));
    expect(found.before).toContainEqual(expect.stringMatching(/writes outside (y|dx)$/));
    expect(found['between rows']).toContainEqual(expect.stringMatching(/writes outside (y|dx)$/));
    expect(found.rerun).toContainEqual(expect.stringMatching(/dbias differs from run to run$/));
    expect(found['equal rows']).toContainEqual(
      expect.stringMatching(/: 1 rows differ from equal ones, row 20 first$/),
    );
    expect(found.large).toEqual(['y: row 73 is not what an equal row of a small matrix is']);
  });
});

describe.skipIf(!hasPython || hosts.length === 0)('bench/gpu/against_cpu.py', () => {
  test('sees what is wrong with results, memory and reruns', async () => {
    const { device, path } = hosts.at(-1)!;
    const found = await evaluate<Record<string, string[]>>(
      `
import ctypes, json, sys
import against_cpu, guarded, polycom, vectors
from others import SMALL, others
vectors.quiet()
library = polycom.Library(sys.argv[1])
queue, cpu = library.queue("cpu" if sys.argv[2] == "cpu" else "cuda"), library.queue("cpu")
first = lambda name: next(case for case in others(SMALL) if case.name == name and "1x1" not in case.about)

def poked(name, output, at, value, when=lambda calls: True):
    """What is found where a byte of an output, the first, second.. from the end, is another after a call."""
    before, calls = polycom.Call.run, [0]
    def run(self):
        before(self)
        calls[0] += self._queue is queue
        if self._queue is queue and when(calls[0]):
            tensor = self._tensors[-output].owner
            byte = ctypes.create_string_buffer(bytes([value]), 1)
            queue.copy(tensor.address + guarded.GUARD_BYTES + at, ctypes.addressof(byte), 1)
    polycom.Call.run = run
    try:
        return list(against_cpu.problems_of(queue, cpu, first(name)))
    finally:
        polycom.Call.run = before

def untouched(name):
    return list(against_cpu.problems_of(queue, cpu, first(name)))

print(json.dumps({
    "right": [line for name in ("addrmsnorm", "attention", "quantizedpolynormglu", "adamw") for line in untouched(name)],
    "value": poked("rmsnorm", 1, 11, 0x60),
    "f8": poked("quantizedpolynormglu", 2, 40, 0x50),
    "in place": poked("adamw", 2, 43, 0x60),
    "guard": poked("rmsnorm", 1, -1, 1),
    "input": poked("rmsnorm", 2, 7, 0x60),
    "rerun": poked("rmsnorm", 1, 8, 1, lambda calls: calls == 1),
}))`,
      [path, device],
    );
    expect(found.right).toEqual([]);
    expect(found.value).toContainEqual(expect.stringMatching(/rmsnorm_forward: y is off by/));
    expect(found.f8).toContainEqual(expect.stringMatching(/: y has \S+ at 40; expected \S+, rounded$/));
    expect(found['in place']).toContainEqual(expect.stringMatching(/adamw: m2 is off by/));
    expect(found.guard).toContainEqual(expect.stringMatching(/rmsnorm_forward writes to y, or around it/));
    expect(found.input).toContainEqual(expect.stringMatching(/rmsnorm_forward writes to weight, or around/));
    expect(found.rerun).toContainEqual(expect.stringMatching(/rmsnorm_forward: y differs from run to run$/));
  });
});

describe.skipIf(emulated === undefined)('graphs', () => {
  test('must give what the calls give, when they run and not before', async () => {
    const found = await evaluate<Record<string, string[]>>(
      `
import json, sys
import polycom, situations
from grid import GRIDS
from dataclasses import replace

class Graph:
    def __init__(self, launch): self.launch = launch
    def destroy(self): pass

class Driver:
    """As the driver that is not here: a graph runs its work when it is launched."""
    def __init__(self, launches): self.launches = launches
    def use(self, index): pass
    def stream(self): return 0
    def destroy_stream(self, stream): pass
    def capture(self, stream, work):
        return Graph(lambda stream: self.launches(work))

class Once:
    """Replays what was there when it was captured."""
    def __init__(self): self.done = set()
    def __call__(self, work):
        if len(self.done) < 2: work()
        self.done.add(len(self.done))

library = polycom.Library(sys.argv[1])
cases = list(situations.situation_cases(replace(GRIDS["small"], ops=("polynorm", "relu2"), widths=(123, 2000))))
problems = lambda launches, cases: list(situations.graph_problems(library, Driver(launches), cases))
print(json.dumps({"right": problems(lambda work: work(), cases), "nothing": problems(lambda work: None, cases[:1]),
                  "stale": problems(Once(), cases[:1]), "cases": [str(case) for case in cases]}))`,
      [emulated!.path],
    );
    expect(found.cases!.length).toBeGreaterThan(3);
    expect(found.right).toEqual([]);
    expect(found.nothing).toHaveLength(3);
    expect(found.nothing![0]).toMatch(/: replayed, a graph gives other bits than the calls$/);
    expect(found.stale).toEqual([expect.stringMatching(/: on new data, a graph gives other bits/)]);
  });
});

describe.skipIf(!hasPython)('bench/gpu/main.py', () => {
  test.skipIf(hasGpu)('without a GPU says so once, and succeeds', async () => {
    for (const result of [
      await script('main.py', []),
      await runCommand(process.execPath, [
        '--import',
        import.meta.resolve('tsx'),
        join(ROOT, 'tools/gpu.ts'),
      ]),
    ]) {
      expect(result.status, result.stderr).toBe(0);
      expect(result.stdout).toMatch(/^gpu: skipped: [^\n]+\n$/);
    }
  });

  test.skipIf(hosts.length === 0)('goes on after a part that fails, and sums up', async () => {
    const out = temporaryFolder();
    const { device, path } = hosts[0]!;
    const args = ['--library', path, '--device', device, '--out', out, '--parts', 'check,sanitize'];
    const good = await script('main.py', [...args, '--check', '--grid small --ops relu']);
    expect(good.status, good.stdout + good.stderr).toBe(0);
    const bad = await script('main.py', [...args, '--check', '--grid small --ops nosuch']);
    expect(bad.status).toBe(1);
    expect(bad.stdout).toContain("'nosuch'; expected some of");
    expect(bad.stdout).toMatch(
      /gpu: check: failed \(exit status 2\) in .* s\ngpu: sanitize: passed in .* s\n$/,
    );
    const slow = await script('main.py', [...args, '--parts', 'check', '--seconds', '{"check": 0.01}']);
    expect(slow.stdout).toContain('gpu: check: out of time');
    expect(JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')).parts.check.outcome).toBe(
      'out of time',
    );
  });
});

describe.skipIf(!hasPython)('bench/gpu/sanitize.py', () => {
  test('reads what the tools print', async () => {
    const check = 'gpu check: grid: 40 checked, 0 failures, 3 s\n';
    const over = 'FAILED grid: relu and what follows: not checked: 5 seconds are over\n';
    const cases: [string, number | null][] = [
      [`${check}========= ERROR SUMMARY: 0 errors`, 0],
      [`${check}========= ERROR SUMMARY: 3 errors`, 86],
      [`${check}========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)`, 0],
      ['========= Error: Device not supported', 1],
      ['========= ERROR SUMMARY: 0 errors', 0],
      [check, 1],
      [`${over}gpu check: grid: 7 checked, 1 failures, 5 s\n========= ERROR SUMMARY: 0 errors`, 1],
      [`gpu check: grid: 7 checked, 2 failures, 5 s\n========= ERROR SUMMARY: 0 errors`, 1],
      [`${over}gpu check: others: 9 checked, 1 failures, 1 s\n${over}${check}ERROR SUMMARY: 0 errors`, 1],
      [`gpu check: others: 9 checked, 1 failures, 1 s\n${check}ERROR SUMMARY: 0 errors`, 1],
      ['', null],
    ];
    const verdicts = await evaluate<string[]>(
      `import json, sys, sanitize
print(json.dumps([sanitize.verdict_of(*case) for case in json.loads(sys.argv[1])]))`,
      [JSON.stringify(cases)],
    );
    expect(verdicts).toEqual([
      'clean (40 cases)',
      'FAILED: 3 errors',
      'FAILED: 1 hazard displayed (1 error, 0 warnings)',
      expect.stringMatching(/^skipped: /),
      'FAILED: nothing was checked',
      expect.stringMatching(/^FAILED: it did not run/),
      'clean as far as time allowed (7 cases)',
      'FAILED: the check itself failed (exit status 1)',
      'FAILED: the check itself failed (exit status 1)',
      'FAILED: the check itself failed (exit status 1)',
      'FAILED: out of time',
    ]);
  });
});

describe.skipIf(!hasPython)('bench/gpu/build.py', () => {
  test('compiles every source as CMakeLists.txt has it, for one architecture', async () => {
    const { commands, sources, cmake } = await evaluate<{
      commands: string[][];
      sources: string[];
      cmake: string[][];
    }>(`
import json, pathlib, build
tools = build.Tools("nvcc", "g++", "cmake", None, "90")
folder = pathlib.Path("out")
native = build.ROOT / "native"
commands = [list(command.arguments) for command in build.plain_commands(tools, folder)]
sources = [str(path) for part in ("cuda/*.cu", "cpu/*.cpp", "core/*.cpp", "tensorflow/*.cpp") for path in native.glob(part)]
print(json.dumps({"commands": commands, "sources": sources, "cmake": build.cmake_commands(tools, folder)}))`);
    const compiles = commands.slice(0, -1);
    const compiled = new Set(compiles.map((command) => command[command.indexOf('-c') + 1]));
    expect(compiled).toEqual(new Set(sources));
    const link = commands.at(-1)!;
    for (const command of compiles) expect(link).toContain(command[command.indexOf('-o') + 1]);
    expect(link).toContain('out/libpolycom.so');
    const listed = readFileSync(join(ROOT, 'CMakeLists.txt'), 'utf8');
    const flags = compiles
      .flat()
      .filter((flag) => /^-(W|m|f|O)/.test(flag) && !/^-(fPIC|fvisibility)/.test(flag));
    for (const flag of new Set(flags)) expect(listed, flag).toContain(flag);
    for (const option of link.filter((flag) => flag.startsWith('-Xlinker=')))
      expect(listed).toContain(option.slice('-Xlinker='.length));
    const device = compiles.filter((command) => command[0] === 'nvcc');
    expect(device.length).toBeGreaterThan(0);
    for (const command of device) expect(command).toContain('arch=compute_90,code=sm_90');
    expect(cmake[0]).toContain('-DCMAKE_CUDA_ARCHITECTURES=90-real');
    expect(cmake[1]).toEqual(expect.arrayContaining(['--build', 'out', '--target', 'polycom']));
  });
});
