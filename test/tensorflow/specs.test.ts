import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../src/common/command.js';
import { packageFolder } from '../../src/common/package.js';
import { libraryCandidates } from '../../src/native/find.js';
import { hasBinding, resolvePackages } from '../../src/tensorflow/link/packages.js';
import { bundleSpecs } from './specs/bundle.js';
import { leftOut } from './specs/list.js';
import type { SpecResult } from './specs/run.js';

const linked = resolvePackages(packageFolder).some(hasBinding);
const native = libraryCandidates().length > 0;
if (!linked) console.warn("skipped: tfjs-core's specs on tfjs-node: no TensorFlow is linked");
else if (!native) console.warn("skipped: tfjs-core's specs beside our ops: there is no native library");

/** The specs that fail, all of them with TensorFlow 2.9 too, by the reason; some fail only without oneDNN. */
const known: Record<'always' | 'withoutOneDnn', Record<string, string[]>> = JSON.parse(
  readFileSync(join(packageFolder, 'test', 'tensorflow', 'specs', 'failures.json'), 'utf8'),
);
const always = Object.values(known.always).flat();
const withoutOneDnn = Object.values(known.withoutOneDnn).flat();

const SPECS = 4230;
const LEFT_OUT = 91;
const MINUTES_10 = 600_000;

// On a GPU TensorFlow has other gaps than on a CPU.
const COMMON = { CUDA_VISIBLE_DEVICES: '', TF_CPP_MIN_LOG_LEVEL: '2', POLYCOM_QUIET: '' };
// Whether TensorFlow uses oneDNN depends on the CPU, unless it is told.
const OPS = { TF_ENABLE_ONEDNN_OPTS: '0' };
const ONE_DNN = { TF_ENABLE_ONEDNN_OPTS: '1' };
const NO_OPS = { TF_ENABLE_ONEDNN_OPTS: '0', POLYCOM_LIBRARY: join(packageFolder, 'build', 'none.so') };

describe.skipIf(!linked)("tfjs-core's own specs on tfjs-node's backend", () => {
  let bundle: string;
  let plain: SpecResult[];
  beforeAll(async () => {
    bundle = await bundleSpecs();
    plain = await run(NO_OPS);
  }, MINUTES_10);

  test('all run', () => {
    expect(plain).toHaveLength(SPECS);
  });

  test('those fail that are known to, and no others', () => {
    expect(surprises(plain, [...always, ...withoutOneDnn])).toEqual([]);
  });

  test('all pass that tfjs-node runs', () => {
    const patterns = leftOut();
    expect(patterns).toHaveLength(LEFT_OUT);
    const failed = plain.filter(({ status }) => status === 'failed');
    expect(failed.filter(({ name }) => !patterns.some((pattern) => name.includes(pattern)))).toEqual([]);
  });

  test('with oneDNN fewer fail', { timeout: MINUTES_10 }, async () => {
    expect(surprises(await run(ONE_DNN), always)).toEqual([]);
  });

  test.skipIf(!native)('with our ops registered the same pass', { timeout: MINUTES_10 }, async () => {
    const ends = (results: SpecResult[]): string[] => results.map(({ name, status }) => `${status}: ${name}`);
    expect(ends(await run(OPS))).toEqual(ends(plain));
  });

  async function run(environment: Record<string, string>): Promise<SpecResult[]> {
    const file = `${bundle}.${process.pid}.json`;
    const env = { ...process.env, ...COMMON, ...environment };
    const args = ['--no-deprecation', '--import', 'polycom/tensorflow', bundle, file];
    const { status, stderr } = await runCommand(process.execPath, args, env);
    expect(status, stderr.slice(-2000)).toBe(0);
    expect(stderr.includes('no fused ops in TensorFlow')).toBe(!native || environment === NO_OPS);
    const results = JSON.parse(readFileSync(file, 'utf8')) as SpecResult[];
    rmSync(file);
    return results;
  }
});

/** What failed and is not known to, and what is known to fail and did not. */
function surprises(results: readonly SpecResult[], names: readonly string[]): string[] {
  const failed = results.filter(({ status }) => status === 'failed');
  const unknown = failed.filter(({ name }) => !names.includes(name));
  const mended = names.filter((name) => !failed.some((result) => result.name === name));
  return [
    ...unknown.map(({ name, message }) => `fails: ${name}: ${message.slice(0, 300)}`),
    ...mended.map((name) => `does not fail any more: ${name}`),
  ];
}
