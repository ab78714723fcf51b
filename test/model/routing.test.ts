import fc from 'fast-check';
import { expect, test } from 'vitest';
import { routeTokens } from '../../src/model/routing.js';

test('each token goes to its most probable experts, the first of equals', () => {
  const { counts, picks, rows, places } = routeTokens([0.1, 0.6, 0.3, 0.4, 0.2, 0.4, 0.3, 0.3, 0.3], 3, 2);
  expect([...picks]).toEqual([1, 2, 3, 5, 6, 7]); // experts 1 and 2, 0 and 2, 0 and 1
  expect(counts).toEqual([2, 2, 2]);
  expect([...rows]).toEqual([1, 2, 0, 2, 0, 1]);
  expect([...places]).toEqual([2, 4, 0, 5, 1, 3]);
});

test('an expert may have no token', () => {
  const { counts, rows } = routeTokens([0.9, 0.1, 0, 0.8, 0.2, 0], 3, 1);
  expect(counts).toEqual([2, 0, 0]);
  expect([...rows]).toEqual([0, 1]);
});

test('NaN is least, and a token of nothing else still has its experts', () => {
  expect([...routeTokens([Number.NaN, 0.1, 0.2], 3, 2).picks]).toEqual([2, 1]);
  expect([...routeTokens([0.5, Number.NaN, 0.2], 3, 3).picks]).toEqual([0, 2, 1]);
  expect([...routeTokens([Number.NaN, Number.NaN, Number.NaN], 3, 2).picks]).toEqual([0, 1]);
});

test('no assignment is lost, and each finds its way back', () => {
  const shape = fc.record({ tokens: fc.nat(20), experts: fc.integer({ min: 1, max: 6 }) });
  const cases = shape.chain(({ tokens, experts }) =>
    fc.record({
      experts: fc.constant(experts),
      active: fc.integer({ min: 1, max: experts }),
      values: fc.array(fc.float({ min: 0, max: 1 }), {
        minLength: tokens * experts,
        maxLength: tokens * experts,
      }),
    }),
  );
  fc.assert(
    fc.property(cases, ({ experts, active, values }) => {
      const { counts, picks, rows, places } = routeTokens(values, experts, active);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(picks.length);
      expect([...places].sort((a, b) => a - b)).toEqual([...picks.keys()]);
      let from = 0;
      const ownerOf = counts.flatMap((count, expert) => new Array<number>(count).fill(expert));
      for (const [i, pick] of picks.entries()) {
        const token = Math.floor(i / active);
        expect(Math.floor(pick / experts)).toBe(token);
        expect(rows[places[i]!]).toBe(token);
        expect(ownerOf[places[i]!]).toBe(pick % experts);
      }
      for (const count of counts) {
        const own = [...rows.subarray(from, from + count)];
        expect(own).toEqual([...own].sort((a, b) => a - b));
        expect(new Set(own).size).toBe(count); // no token twice at one expert
        from += count;
      }
    }),
  );
});
