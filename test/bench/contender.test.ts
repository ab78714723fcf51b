import { describe, expect, test } from 'vitest';
import { type Contender, measure } from '../../src/bench/contender.js';
import { PolycomError } from '../../src/common/errors.js';
import { row } from './rows.js';

const EFFORT = { minRounds: 1, maxRounds: 1, budgetMs: 0 };

/** A contender that counts its calls. */
function contender(op: string, check: () => string | undefined): Contender & { calls: number } {
  const { ms_p20: _20, ms_p50: _50, ms_p80: _80, gb_per_s: _rate, ok: _ok, ...identity } = row({ op });
  return {
    identity,
    bytes: 1e6,
    check,
    calls: 0,
    run() {
      ++this.calls;
    },
  };
}

describe('measure', () => {
  test('times what is right, and reckons its rate', () => {
    const right = contender('right', () => undefined);
    const { rows, notes } = measure([right], EFFORT);
    expect(right.calls).toBeGreaterThan(0);
    expect(notes).toEqual([]);
    const { ms_p20, ms_p50, ms_p80, gb_per_s, samples, ...rest } = rows[0]!;
    expect(rest).toEqual({ ...right.identity, ok: true });
    expect(ms_p20).toBeLessThanOrEqual(ms_p50!);
    expect(ms_p50).toBeLessThanOrEqual(ms_p80!);
    expect(samples).toBeGreaterThan(0);
    expect(gb_per_s! * ms_p50!).toBeCloseTo(1, 2);
  });

  test('a wrong result is failed, and never timed', () => {
    const wrong = contender('wrong', () => 'y is off');
    const right = contender('right', () => undefined);
    const { rows } = measure([wrong, right], EFFORT);
    expect(wrong.calls).toBe(0);
    expect(rows[0]).toEqual({ ...wrong.identity, ok: false, failure: 'y is off' });
    expect(rows[1]).toMatchObject({ op: 'right', ok: true });
  });

  test('what throws is failed too; what has no kernel is left out, with a note', () => {
    const throwing = contender('throwing', () => {
      throw new Error('out of luck');
    });
    const unsupported = contender('unsupported', () => {
      throw new PolycomError('UNSUPPORTED', 'kernels for f32');
    });
    const { rows, notes } = measure([throwing, unsupported], EFFORT);
    expect(rows).toEqual([{ ...throwing.identity, ok: false, failure: 'out of luck' }]);
    expect(notes).toEqual(['left out: unsupported in f32, for which this library has no kernel']);
    expect(throwing.calls + unsupported.calls).toBe(0);
  });

  test('tells what it is at', () => {
    const steps: string[] = [];
    measure([contender('right', () => undefined)], EFFORT, (step) => steps.push(step));
    expect(steps).toEqual(['checking right forward fused', 'round 1']);
  });
});
