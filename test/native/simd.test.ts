import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { native, simdLevels } from './harness.js';

// A process chooses its instruction set once, so each level has a process of its own.
describe.skipIf(native === undefined).each(simdLevels)('the %s kernels', (level) => {
  test('agree with the reference', () => {
    const script = new URL('simd-check.ts', import.meta.url).pathname;
    const output = execFileSync(process.execPath, ['--import', 'tsx', script], {
      env: { ...process.env, POLYCOM_SIMD: level },
      encoding: 'utf8',
    });
    const { simd, checked, wrong } = JSON.parse(output) as { simd: string; checked: number; wrong: string[] };
    expect(simd).toBe(level);
    expect(checked).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });
});
