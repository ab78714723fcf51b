/** The scripts that check a GPU, in one file: they share the emulated device, whose build takes minutes. */
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { type CommandResult, runCommand } from '../../src/common/command.js';
import { optimizerPasses } from '../../src/transformer-ops/optimizer.js';
import { transformerOps } from '../../src/transformer-ops/table.js';
import { CHECKS, evaluate, GPU, hasPython } from '../bench/python.js';
import { emulatedCuda, native } from '../native/harness.js';
import { ROOT, removeFolders, temporaryFolder, writeFiles } from '../tensorflow/link-harness.js';

if (!hasPython) console.warn("skipped: the tests of a GPU's scripts: there is no python3");
const emulated = hasPython ? await emulatedCuda() : undefined;
const probe = 'import driver, json; print(json.dumps(driver.gpu_problem() is None))';
const hasGpu = hasPython && (await evaluate<boolean>(probe));

afterAll(removeFolders);

function script(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return runCommand('python3', ['-B', join(name === 'main.py' ? GPU : CHECKS, name), ...args], {
    ...process.env,
    ...env,
  });
}

const hosts = [
  { device: 'cpu', library: native },
  { device: 'emulated', library: emulated },
].flatMap(({ device, library }) => (library === undefined ? [] : [{ device, path: library.path }]));

describe.skipIf(!hasPython)('test/gpu/others.py', () => {
  test('with the activations has every op, and a call of each', async () => {
    const [described, passes, ...called] = await evaluate<string[][]>(
      `import json, ops, others
print(json.dumps([[op.name for op in ops.OPS], sorted(others.PASSES),
                  *(sorted({case.name for case in others.others(sizes)}) for sizes in others.SIZES.values())]))`,
    );
    expect(described).toEqual(activationRows.map(({ name }) => name));
    const onePass = [...optimizerPasses.map((pass) => pass.native), 'mixedadamw', 'copy', 'stream'];
    expect(passes).toEqual([...Object.keys(transformerOps), ...onePass].sort());
    for (const names of called) expect(names).toEqual(passes);
  });
});

describe.skipIf(!hasPython || hosts.length === 0)('test/gpu/check.py', () => {
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
    expect(found.sections.others.checked).toBeGreaterThan(50);
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
    expect(stdout).toMatch(/others: \d{2,3} checked, 0 failures/);
    expect(stdout).toContain('there is no NumPy');
  });

  test('sees what is wrong with results, memory and reruns', async () => {
    const { device, path } = hosts[0]!;
    const found = await evaluate<Record<string, string[]>>(
      `
import ctypes, dataclasses, json, sys
import checks, guarded, polycom, situations, vectors
from grid import PACKED, Case, LAYOUTS
from ops import OPS
vectors.quiet()
op = {op.name: op for op in OPS}
library = polycom.Library(sys.argv[1])
queue, cpu = library.queue("cpu" if sys.argv[2] == "cpu" else "cuda"), library.queue("cpu")
case = Case(op["polynorm"], "f32", 3, 60, layout=LAYOUTS[2])
found = {"right": checks.problems_of(queue, cpu, case)}

def with_change(target, name, changed, of=case):
    checks.expected(cpu, dataclasses.replace(of, layout=PACKED))  # before anything is changed; it is kept
    before = getattr(target, name)
    setattr(target, name, changed(before))
    try:
        return checks.problems_of(queue, cpu, of)
    finally:
        setattr(target, name, before)

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

describe.skipIf(!hasPython || hosts.length === 0)('test/gpu/against_cpu.py', () => {
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
    "right": [line for name in ("addrmsnorm", "attention", "groupedpolynormglu", "adamw") for line in untouched(name)],
    "value": poked("rmsnorm", 1, 11, 0x60),
    "in place": poked("adamw", 2, 43, 0x60),
    "guard": poked("rmsnorm", 1, -1, 1),
    "input": poked("rmsnorm", 2, 7, 0x60),
    "rerun": poked("rmsnorm", 1, 8, 1, lambda calls: calls == 1),
}))`,
      [path, device],
    );
    expect(found.right).toEqual([]);
    expect(found.value).toContainEqual(expect.stringMatching(/rmsnorm_forward: y is off by/));
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
    expect(good.stdout).toMatch(
      /^gpu: check: every kernel against the CPU's, at most 180 s\ngpu: sanitize: .*, at most 110 s\ngpu: at most 5 minutes in all, into .*\n/,
    );
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

  test.skipIf(hosts.length === 0)(
    'leaves out what Node would do where it was not brought along',
    async () => {
      const out = temporaryFolder();
      const { device, path } = hosts[0]!;
      const args = ['--library', path, '--device', device, '--out', out, '--parts', 'activations,tensorflow'];
      const { stdout: executable } = await runCommand('python3', ['-c', 'import sys; print(sys.executable)']);
      const bin = temporaryFolder();
      symlinkSync(executable.trim(), join(bin, 'python3'));
      const { status, stdout, stderr } = await script('main.py', args, { PATH: bin });
      const python = stdout.match(/left out: there is no node\n/g);
      expect(status, stdout + stderr).toBe(0);
      expect(python).toHaveLength(2);
      expect(stdout).toMatch(/gpu: tensorflow: left out: there is no node in 0.0 s\n$/);
    },
  );
});

describe.skipIf(!hasPython)('test/gpu/sanitize.py', () => {
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
sources = [str(path) for end in ("*.cu", "*.cpp") for path in native.rglob(end) if not {"addon", "cpp"} & set(path.parts)]
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
