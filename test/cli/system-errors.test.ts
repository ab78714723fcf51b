/** What the system or TensorFlow refuses, in every command that can come to it: one line, one remedy, no stack. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasBinding, resolvePackages } from '../../src/tensorflow/link/packages.js';
import { readOnlyFolder, smallFolder } from '../read-only.js';
import { ROOT } from '../tensorflow/link-harness.js';
import { compiler, NO_TENSORFLOW, polycom, refusalOf, Workshop } from './harness.js';

const workshop = new Workshop();
afterAll(() => workshop.remove());
const text = workshop.write('text.txt', 'The quick brown fox jumps over the lazy dog.\n'.repeat(400));
const file = workshop.write('plain', '');
const run = workshop.path('run');
const SMALL = [
  '--preset',
  'tiny',
  '--steps',
  '1',
  '--batch',
  '1',
  '--time',
  '16',
  '--backend',
  'cpu',
  '--quiet',
];
const TRAIN = ['train', ...SMALL, '--data'];

beforeAll(() => {
  const { status, stderr } = polycom([...TRAIN, text, '--out', run], {
    ...NO_TENSORFLOW,
    POLYCOM_CACHE: workshop.path('cache'),
  });
  expect(status, stderr).toBe(0);
});

describe('a cache below a file', () => {
  const POLYCOM_CACHE = join(file, 'cache');
  const broken = { POLYCOM_CACHE, POLYCOM_TENSORFLOW: '' };

  test.each([
    { name: 'train', args: [...TRAIN, text, '--out', workshop.path('a')] },
    { name: 'eval', args: ['eval', '--data', text, '--model', run, '--backend', 'cpu'] },
  ])('is an error of $name', ({ args }) => {
    const said = refusalOf(polycom(args, { ...broken, ...NO_TENSORFLOW }));
    expect(said).toContain(`polycom: cannot write ${POLYCOM_CACHE}`);
    expect(said).toMatch(/remedy: .* POLYCOM_CACHE$/m);
  });

  test.skipIf(!compiler).each(['build', 'tf-link'])('is an error of %s', (name) => {
    const said = refusalOf(polycom([name], broken));
    expect(said).toContain(`polycom: cannot write ${POLYCOM_CACHE}`);
    expect(said).toMatch(/remedy: .* POLYCOM_CACHE$/m);
  });

  test.each([
    { name: 'prepare', args: ['prepare', text, '--out', workshop.path('tokens')] },
    { name: 'train on the synthetic language', args: [...TRAIN, 'synthetic', '--out', workshop.path('c')] },
    { name: 'generate', args: ['generate', '--model', run, '--prompt', 'The', '--tokens', '2'] },
  ])('is nothing to $name', ({ args }) => {
    const { status, stderr } = polycom(args, { ...broken, ...NO_TENSORFLOW });
    expect(status, stderr).toBe(0);
  });
});

describe('an --out', () => {
  const out = (...path: string[]): string[] => ['--out', join(...path)];

  test.each([
    { name: 'train', args: [...TRAIN, 'synthetic', ...out(file, 'x')] },
    { name: 'prepare', args: ['prepare', text, ...out(file, 'x')] },
  ])('of $name below a file is named', ({ args }) => {
    expect(refusalOf(polycom(args, NO_TENSORFLOW))).toMatch(/cannot (write|read) .*plain.*\n.*: --out$/m);
  });

  test('on a read-only file system is told from one that is not there', ({ skip }) => {
    const place = readOnlyFolder(skip);
    try {
      const said = refusalOf(polycom([...TRAIN, 'synthetic', ...out(place.folder, 'x')], NO_TENSORFLOW));
      expect(said).toContain(`cannot write ${join(place.folder, 'x')}: the file system is read-only`);
    } finally {
      place.release();
    }
  });

  test.for([
    { name: 'train', args: [...TRAIN, 'synthetic'] },
    { name: 'prepare', args: ['prepare', workshop.path('large.txt')] },
  ])('of $name on a full disk is named, and so is the reason', ({ args }, { skip }) => {
    const place = smallFolder(64, skip);
    try {
      workshop.write('large.txt', 'Many words of which no two are the same.\n'.repeat(8000));
      const said = refusalOf(polycom([...args, ...out(place.folder, 'x')], NO_TENSORFLOW));
      expect(said).toMatch(/no space is left on the device\n {2}remedy: free space there, .*: --out$/m);
    } finally {
      place.release();
    }
  });
});

const linked = resolvePackages(ROOT).some(hasBinding);
if (!linked) console.warn("skipped: TensorFlow's own out of memory: run tf-link first");

describe.skipIf(!linked)("TensorFlow's out of memory", () => {
  // What its allocator may take: room for the model, and for no batch of such a size.
  const TF_CPU_BFC_MEM_LIMIT_IN_MB = '64';

  test.each([
    {
      name: 'train',
      args: ['train', '--preset', 'tiny', '--steps', '1', '--data', 'synthetic', '--batch', '8192'],
    },
    {
      name: 'generate',
      args: ['generate', '--model', run, '--prompt', 'The quick brown fox ', '--samples', '8192'],
    },
  ])('is typed in $name, and names what makes it less', ({ name, args }) => {
    const where = name === 'train' ? ['--out', workshop.path('oom')] : [];
    const { status, stderr } = polycom([...args, ...where], { TF_CPU_BFC_MEM_LIMIT_IN_MB });
    expect(stderr).toMatch(/^polycom: TensorFlow is out of memory: it could not allocate .* GB more/m);
    const option = name === 'generate' ? '--samples' : '--batch';
    expect(stderr).toMatch(new RegExp(`remedy: take fewer or shorter sequences at once: .*${option}`, 'm'));
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(status).toBe(1);
  });
});
