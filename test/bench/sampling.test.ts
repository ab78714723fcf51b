import { expect, test } from 'vitest';
import { hostSampler, interleave, type TimingEffort } from '../../src/bench/sampling.js';

const ROUNDS: TimingEffort = { minRounds: 3, maxRounds: 3, budgetMs: 0 };

/** Takes a few milliseconds, so that a call is a sample. */
function slowly(): void {
  const until = performance.now() + 12;
  while (performance.now() < until);
}

test('contenders take turns, after each has warmed up', () => {
  const calls: string[] = [];
  const run = (name: string) => () => {
    calls.push(name);
    slowly();
  };
  const rounds: number[] = [];
  const samples = interleave(
    [run('a'), run('b')].map((each) => hostSampler(each)),
    ROUNDS,
    (round) => {
      rounds.push(round);
      calls.push(`round ${round}`);
    },
  );
  expect(rounds).toEqual([0, 1, 2]);
  const timed = calls.slice(calls.indexOf('round 0'));
  const turns = timed.filter((name, i) => name !== timed[i - 1]);
  expect(turns).toEqual(['round 0', 'a', 'b', 'round 1', 'a', 'b', 'round 2', 'a', 'b']);
  const warm = calls.slice(0, calls.indexOf('round 0'));
  for (const name of ['a', 'b']) expect(warm.filter((call) => call === name).length).toBeGreaterThan(1);
  for (const [i, name] of ['a', 'b'].entries()) {
    expect(samples[i]).toHaveLength(timed.filter((call) => call === name).length);
    expect(samples[i]!.every((ms) => ms > 0)).toBe(true);
  }
});

test('a call too short for the clock is timed many at a time', () => {
  let calls = 0;
  const [samples] = interleave([hostSampler(() => void ++calls)], { ...ROUNDS, minRounds: 1, maxRounds: 1 });
  expect(samples!.length).toBeGreaterThan(0);
  expect(calls).toBeGreaterThan(samples!.length * 100);
});

test('the budget ends the rounds, but not before the least', () => {
  let rounds = 0;
  interleave([hostSampler(slowly)], { minRounds: 2, maxRounds: 1000, budgetMs: 0 }, () => void ++rounds);
  expect(rounds).toBe(2);
});

test('no contender, no sample', () => {
  expect(interleave([], ROUNDS)).toEqual([]);
});
