import { join } from 'node:path';
import { Command } from 'commander';
import { expect, test, vi } from 'vitest';
import { explain } from '../../src/cli/explain.js';
import { PolycomError } from '../../src/common/errors.js';
import { fileError } from '../../src/common/file-error.js';
import { inTensorflow } from '../../src/common/tensorflow-error.js';

/** As tfjs-node throws it, TensorFlow 2.21. */
const OUT_OF_MEMORY = new Error(
  'Invalid TF_Status: 8\nMessage: {{function_node __wrapped__MatMul_device_/job:localhost/replica:0/task:0/' +
    'device:CPU:0}} OOM when allocating tensor with shape[65536,128256] and type float on /job:localhost/' +
    'replica:0/task:0/device:CPU:0 by allocator cpu [Op:MatMul] name: ',
);

function command(...args: string[]): Command {
  const made = new Command('some')
    .option('--out <folder>')
    .option('--data <path...>')
    .option('--batch <count>', '', Number)
    .option('--time <count>', '', Number)
    .option('--memory <name>');
  return made.parse(args, { from: 'user' });
}

test("TensorFlow's out of memory says how much, and names the options that make it less", () => {
  const text = explain(OUT_OF_MEMORY, command());
  expect(text).toBe(
    // 65,536 × 128,256 × 4 bytes
    'TensorFlow is out of memory: it could not allocate 33.6 GB more, for [65536, 128256]\n' +
      '  remedy: take fewer or shorter sequences at once: --batch, --time, --memory checkpoint',
  );
});

test('an option that is at its least already is not named', () => {
  expect(explain(OUT_OF_MEMORY, command('--batch', '1', '--memory', 'checkpoint'))).toMatch(/once: --time$/);
});

test('the API types it too, and keeps what was thrown', () => {
  const thrown = () =>
    inTensorflow(() => {
      throw OUT_OF_MEMORY;
    });
  expect(thrown).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY', cause: OUT_OF_MEMORY }));
  const other = new TypeError('x is not a function');
  expect(() =>
    inTensorflow(() => {
      throw other;
    }),
  ).toThrow(other);
});

test.each([
  [3, 'INVALID_ARGUMENT'],
  [12, 'UNSUPPORTED'],
  [13, 'DEVICE_ERROR'],
])("TensorFlow's status %d is %s, in a line", (status, code) => {
  const cause = new Error(
    `Invalid TF_Status: ${status}\nMessage: {{function_node x}} no such thing [Op:Y]\nat z`,
  );
  const typed = () =>
    inTensorflow(() => {
      throw cause;
    });
  expect(typed).toThrow(expect.objectContaining({ code }));
  expect(explain(cause, command())!.split('\n')[0]).toBe('TensorFlow: no such thing');
});

test("JavaScript's out of memory is one", () => {
  expect(explain(new RangeError('Array buffer allocation failed'), command())).toMatch(/--batch/);
});

test('a fault of the package keeps its stack', () => {
  for (const error of [new TypeError('x'), new Error('Invalid TF_Status: 9\nMessage: y'), 'text']) {
    expect(explain(error, command())).toBeUndefined();
  }
});

test('what the system refuses names the option that named the place', () => {
  const full = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC', syscall: 'write' });
  const text = explain(
    fileError('runs/a/log.jsonl', 'write', full),
    command('--out', 'runs/a', '--data', 'x'),
  );
  expect(text).toBe(
    'cannot write runs/a/log.jsonl: no space is left on the device\n' +
      '  remedy: free space there, or name another place: --out',
  );
  const untyped = Object.assign(new Error('ENOENT: open'), {
    code: 'ENOENT',
    syscall: 'open',
    path: 'b/c.txt',
  });
  expect(explain(untyped, command('--data', 'a', 'b'))).toBe(
    'cannot read b/c.txt: there is no such file or folder\n  remedy: check the path: --data',
  );
});

test('what it refuses in the cache names POLYCOM_CACHE', () => {
  vi.stubEnv('POLYCOM_CACHE', join('some', 'cache'));
  const denied = Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'mkdir' });
  const text = explain(fileError(join('some', 'cache', 'tokens'), 'write', denied), command('--out', 'x'));
  vi.unstubAllEnvs();
  expect(text).toMatch(/permission denied\n {2}remedy: .* in the variable POLYCOM_CACHE$/);
});

test('other errors are told as they are', () => {
  expect(explain(new PolycomError('INVALID_ARGUMENT', 'no'), undefined)).toBe('no');
});
