import { beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../src/common/command.js';
import { simdLevels } from './harness.js';
import { buildFuzzer, type Command, type Sanitizer } from './sanitized.js';

/** Over all programs. With 0 nothing is built or run. */
const seconds = Number(process.env.POLYCOM_FUZZ_SECONDS ?? 60);
const seed = process.env.POLYCOM_FUZZ_SEED ?? '1';
const least = simdLevels[0]!;
const runs = [
  ...simdLevels.map((simd) => ({ sanitizer: 'address', mode: 'cpu', simd }) as const),
  { sanitizer: 'address', mode: 'cuda', simd: least } as const,
  { sanitizer: 'thread', mode: 'threads', simd: least } as const,
];
const share = seconds / runs.length;
const BUILD_MS = 40 * 60_000;

if (seconds > 0) console.log(`fuzz: seed ${seed}, ${share} s each (POLYCOM_FUZZ_SEED, POLYCOM_FUZZ_SECONDS)`);
else console.warn('skipped: fuzzing: POLYCOM_FUZZ_SECONDS is 0');

/** What a program prints of what it did. */
interface Done {
  readonly mode: string;
  readonly calls: number;
  readonly refused: number;
  readonly compared: number;
  readonly build: { readonly simd: string };
}

describe.skipIf(!(seconds > 0))('the C ABI, called rightly and wrongly', () => {
  const programs = new Map<Sanitizer, Command | undefined>();
  beforeAll(async () => {
    for (const sanitizer of ['address', 'thread'] as const)
      programs.set(sanitizer, await buildFuzzer(sanitizer));
  }, BUILD_MS);

  test.for(runs)(
    '$mode, $simd, with the $sanitizer sanitizer',
    { timeout: 1000 * share + 300_000 },
    async ({ sanitizer, mode, simd }, context) => {
      const program = programs.get(sanitizer);
      if (program === undefined) return context.skip(`no program with the ${sanitizer} sanitizer`);
      const [first, ...rest] = [...program, mode, seed, String(share)];
      const { status, stdout, stderr } = await runCommand(first!, rest, {
        ...process.env,
        POLYCOM_SIMD: simd,
      });
      expect(status, stderr).toBe(0);
      const done = JSON.parse(stdout) as Done;
      expect(done).toMatchObject({ mode, build: { simd } });
      expect(done.calls).toBeGreaterThan(10 * share);
      expect(done.refused).toBeGreaterThan(done.calls / 4);
      expect(done.compared).toBeGreaterThan(done.calls / 10);
    },
  );
});
