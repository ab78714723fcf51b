import { expect, test } from 'vitest';
import { excerpt, nameOf, shapeText } from '../../src/common/excerpt.js';

test.each<[unknown, string]>([
  [undefined, 'undefined'],
  [null, 'null'],
  [Number.NaN, 'NaN'],
  [-1.5, '-1.5'],
  [true, 'true'],
  ['a "b"\n', '"a \\"b\\"\\n"'],
  [[], '[]'],
  [[1, 'a', [2, null]], '[1,"a",[2,null]]'],
  [{}, '{}'],
  [{ a: { b: [1] }, c: 'd' }, '{"a":{"b":[1]},"c":"d"}'],
])('%j is shown as JSON', (value, text) => {
  expect(excerpt(value)).toBe(text);
});

test('a value of any depth or size is shown by its beginning', () => {
  const depth = 1_000_000;
  const nested: unknown = JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);
  expect(() => JSON.stringify(nested)).toThrow(RangeError);
  expect(excerpt(nested)).toBe('[[[[…]]]]');
  expect(excerpt(JSON.parse(`${'{"a":'.repeat(depth)}0${'}'.repeat(depth)}`))).toBe('{"a":{"a":{"a":{…}}}}');
  expect(excerpt('x'.repeat(depth))).toBe(`"${'x'.repeat(79)}…`);
  expect(excerpt(new Array(depth).fill(12))).toMatch(/^\[12,12,[12,]{73,74}…$/);
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, nested]));
  expect(excerpt(wide)).toMatch(/^\{"key0":\[\[\[…\]\]\],"key1":.{40,60}…$/);
});

test('a name is no longer than a line, and moves no cursor', () => {
  expect(nameOf('model.norm.weight')).toBe('model.norm.weight');
  expect(nameOf('a\u001b[2Jb\n')).toBe('a\ufffd[2Jb\ufffd');
  expect(nameOf('y'.repeat(1000))).toBe(`${'y'.repeat(80)}…`);
  expect(shapeText([2, 3])).toBe('[2, 3]');
  expect(shapeText(new Array(1_000_000).fill(1))).toHaveLength(81);
});
