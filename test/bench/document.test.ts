import { describe, expect, test } from 'vitest';
import { compareDocuments, formatComparison, formatWorse, worseThan } from '../../src/bench/compare.js';
import { groupRows, parseDocument, readDocument, rowKey } from '../../src/bench/document.js';
import { duration, percent, span, threeDigits, times } from '../../src/bench/format.js';
import { formatTable } from '../../src/bench/table.js';
import { PolycomError } from '../../src/common/errors.js';
import { documentOf, everyKind, failedRow, peerRows, row } from './rows.js';

describe('reading a document', () => {
  test('gives back what was written', () => {
    const document = documentOf(everyKind());
    expect(parseDocument(JSON.stringify(document), 'a.json')).toEqual(document);
  });

  test.each([
    ['no JSON', '{', /a\.json is not JSON/],
    ['a list', '[]', /not an object/],
    ['another schema', JSON.stringify({ ...documentOf([]), schema: 2 }), /schema is 2; expected 1/],
    ['another bench', JSON.stringify({ ...documentOf([]), bench: 'train' }), /bench is "train"/],
    ['no date', JSON.stringify({ ...documentOf([]), date: 1 }), /date is no text/],
    ['no machine', JSON.stringify({ ...documentOf([]), machine: null }), /machine or versions is missing/],
    ['bad notes', JSON.stringify({ ...documentOf([]), notes: [1] }), /notes are no texts/],
    ['no results', JSON.stringify({ ...documentOf([]), results: {} }), /results is no list/],
    ['a bad row', JSON.stringify(documentOf([row(), row({ rows: Number.NaN })])), /result 1 is not/],
    ['a right row untimed', JSON.stringify(documentOf([{ ...failedRow(), ok: true }])), /result 0 is not/],
  ])('refuses %s with a typed error', (_, text, message) => {
    expect(() => parseDocument(text, 'a.json')).toThrow(PolycomError);
    expect(() => parseDocument(text, 'a.json')).toThrow(message);
  });

  test('a missing file is a typed error', () => {
    expect(() => readDocument('/nonexistent/a.json')).toThrow(PolycomError);
  });
});

describe('grouping', () => {
  test('keeps every row, once', () => {
    const rows = everyKind();
    const groups = groupRows(rows);
    expect(groups.flatMap((group) => group.rows)).toHaveLength(rows.length);
    expect(groups.map(({ title }) => title)).toContain(
      'In tfjs-node, 4096×8256 f32, cpu, allocator: default',
    );
    expect(new Set(rows.map(rowKey)).size).toBe(rows.length);
  });
});

test('peers are rows of their own', () => {
  const rows = peerRows();
  expect(parseDocument(JSON.stringify(documentOf(rows)), 'a.json').results).toEqual(rows);
  expect(new Set(rows.map(rowKey)).size).toBe(rows.length);
  expect(groupRows(rows).map(({ title }) => title)).toEqual([
    'Driven directly, 4096×8256 f32, cpu',
    'In PyTorch, 4096×8256 f32, cpu',
  ]);
  expect(formatTable(documentOf(rows))).toContain('PolyNorm, PyTorch compiled');
});

describe('figures for people', () => {
  test('have the unit that suits', () => {
    expect([1234, 12.34, 0.01234, 0.00001].map(duration)).toEqual([
      '1.23 s',
      '12.3 ms',
      '12.3 µs',
      '0.0100 µs',
    ]);
    expect(span(0.9, 1.1)).toBe('0.900–1.10 ms');
    expect(span(900, 1100)).toBe('0.900–1.10 s');
    expect([0, 999.6, 1.005].map(threeDigits)).toEqual(['0', '1000', '1.00']);
    expect(percent(0.926)).toBe('93 %');
    expect([112.4, 11.24, 1.02].map(times)).toEqual(['112×', '11.2×', '1.0×']);
  });
});

describe('the table', () => {
  test('has every row, failures and notes', () => {
    const text = formatTable(documentOf(everyKind()));
    for (const part of [
      'A <fast> CPU, 2 CPUs, commit 0123456789ab',
      'Driven directly, 4096×8256 f32, cpu',
      'PolyNorm, composed',
      'tf.relu',
      'copy (memcpy)',
      'FAILED: y is off by',
      '92 %',
      '21.4×',
      'note: a note',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('of nothing is a heading', () => {
    expect(formatTable(documentOf([], { notes: [] }))).toMatch(/^A <fast> CPU/);
  });
});

describe('comparing', () => {
  const a = documentOf([
    row({ op: 'same' }),
    row({ op: 'slower' }),
    row({ op: 'faster' }),
    row({ op: 'fails' }),
    failedRow({ op: 'mended' }),
    row({ op: 'gone' }),
  ]);
  const b = documentOf([
    row({ op: 'same', ms_p20: 10.5, ms_p50: 12, ms_p80: 13 }),
    row({ op: 'slower', ms_p20: 11.5, ms_p50: 15, ms_p80: 16 }),
    row({ op: 'faster', ms_p20: 4, ms_p50: 5, ms_p80: 6 }),
    failedRow({ op: 'fails' }),
    row({ op: 'mended' }),
    row({ op: 'same', cols: 1 }),
  ]);

  test('flags what changed beyond the spread', () => {
    const { changes, unmatched, warnings } = compareDocuments(a, b);
    const verdicts = Object.fromEntries(changes.map(({ b: { op }, verdict }) => [op, verdict]));
    expect(verdicts).toEqual({
      same: 'same',
      slower: 'slower',
      faster: 'faster',
      fails: 'fails',
      mended: 'failed before',
    });
    expect(changes.map(({ ratio }) => ratio)).toEqual([1.2, 1.5, 0.5, undefined, undefined]);
    expect(unmatched).toBe(2);
    expect(warnings).toEqual([]);
  });

  test('warns where the machines or versions differ', () => {
    const other = documentOf(b.results, {
      machine: { ...b.machine, cpu: 'Another', simd: 'avx2' },
      versions: { ...b.versions, node: '20.0.0', polycom: '9.9.9' },
    });
    const text = formatComparison(compareDocuments(a, other));
    expect(text).toContain('warning: machine differ: cpu is A <fast> CPU and Another');
    expect(text).toContain('warning: machine differ: simd is absent and avx2');
    expect(text).toContain('warning: versions differ: node is 24.0.0 and 20.0.0');
    expect(text).not.toContain('9.9.9');
    expect(text).toMatch(/10\.0 ms +15\.0 ms +1\.50× +\d+ % +slower/);
    expect(text).toContain('5 compared, 4 changed beyond the p20–p80 spread, 2 in one file alone');
  });

  test('names what is slower by more than a share, or fails now', () => {
    const comparison = compareDocuments(a, b);
    const worse = worseThan(comparison, 0.05);
    expect(worse.map(({ b: { op } }) => op)).toEqual(['fails', 'slower']);
    expect(worseThan(comparison, 0.5).map(({ b: { op } }) => op)).toEqual(['fails']);
    expect(formatWorse(worse, 0.05)).toMatch(
      /^over 5 %: .*: fails\nover 5 %: .* forward, Driven directly, 4096×8256 f32, cpu: 50 % slower, noise 30 %\n$/,
    );
  });
});
