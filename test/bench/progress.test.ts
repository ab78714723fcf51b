import { expect, test } from 'vitest';
import { progressOn } from '../../src/bench/progress.js';

function shown(
  stream: { isTTY?: boolean; columns?: number },
  options: Parameters<typeof progressOn>[1],
): string {
  const parts: string[] = [];
  const progress = progressOn({ ...stream, write: (text) => parts.push(text) }, options);
  progress.step('first', 'round 1');
  progress.step('first', 'round 2');
  progress.step('second', 'round 1');
  progress.end();
  return parts.join('');
}

test('a terminal has one line, rewritten and then cleared, no wider than the screen', () => {
  const text = shown({ isTTY: true, columns: 12 }, { color: false });
  expect(text).toBe('\r\x1b[Kfirst: roun\r\x1b[Kfirst: roun\r\x1b[Ksecond: rou\r\x1b[K');
  expect(shown({ isTTY: true }, { color: true })).toContain('\x1b[2mfirst: round 1\x1b[22m');
});

test('elsewhere each group has a plain line', () => {
  expect(shown({}, { color: true })).toBe('polycom: measuring first\npolycom: measuring second\n');
});

test('quiet shows nothing', () => {
  expect(shown({ isTTY: true }, { quiet: true })).toBe('');
});
