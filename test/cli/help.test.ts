import { expect, test } from 'vitest';
import { filled } from '../../src/cli/help.js';
import { polycom } from './harness.js';

test('paragraphs are filled to the width, and what is indented stays', () => {
  const text = 'aaa bbb ccc\nddd\n\n  npx polycom something --with options\n\neee fff\n';
  expect(filled(text, 8)).toBe('aaa bbb\nccc ddd\n\n  npx polycom something --with options\n\neee fff\n');
  expect(filled('aaaaaaaaaaaa b\n', 8)).toBe('aaaaaaaaaaaa\nb\n');
});

test.each(['train', 'bench train'])('the help of %s has no prose beyond 80 columns', (name) => {
  const { stdout, status } = polycom([...name.split(' '), '--help']);
  expect(status).toBe(0);
  const prose = stdout.split('\n').filter((line) => /^\S/.test(line));
  expect(prose.length).toBeGreaterThan(5);
  expect(prose.filter((line) => line.length > 80)).toEqual([]);
});
