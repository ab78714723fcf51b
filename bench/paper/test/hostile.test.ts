/** The paper's readers of files, given damaged ones. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PolycomError } from 'polycom';
import { expect, test } from 'vitest';
import { damageBytes, damageJson } from '../../../test/hostile/mutate.js';
import { Random } from '../../../test/hostile/random.js';
import { readCompareDocument } from '../document.js';
import { readCurves } from '../run/run-log.js';
import { documentOf } from './fixture.js';
import { emptyFolder } from './runs.js';

const seed = Number(process.env.POLYCOM_FUZZ_SEED ?? 1);
const CASES = 150;
const file = join(emptyFolder(), 'damaged');

const step = (n: number) => ({ kind: 'step', step: n, loss: 3, cross_entropy: 3, seconds: 1, tokens: 9 });
const LOG = Buffer.from([1, 2, 3, 4].map((n) => `${JSON.stringify(step(n))}\n`).join(''));
const DOCUMENT = Buffer.from(JSON.stringify(documentOf()));

test.each([
  ['the document', DOCUMENT, true, async () => readCompareDocument(file)],
  ['the log of a run', LOG, false, async () => readCurves(file, 4)],
] as const)(
  '%s, damaged, is read or refused with a short typed error',
  async (name, content, isJson, read) => {
    const count = { read: 0, refused: 0 };
    for (let number = 0; number < CASES; ++number) {
      const random = new Random(seed * 1_000_003 + number);
      const damaged =
        isJson && random.below(4) > 0 ? damageJson(content, random) : damageBytes(content, random);
      writeFileSync(file, damaged.content);
      const what = `${name}, seed ${seed}, case ${number}: ${damaged.what}`;
      const error = await read().then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      ++count[error === undefined ? 'read' : 'refused'];
      if (error === undefined) continue;
      expect(error, what).toBeInstanceOf(PolycomError);
      const { code, message, remedy } = error as PolycomError;
      expect(message.length, what).toBeLessThan(3000);
      expect(code, what).not.toBe('INTERNAL');
      if (code === 'INVALID_FILE') expect(remedy, what).toBeTruthy();
    }
    expect(count.read).toBeGreaterThan(0);
    expect(count.refused).toBeGreaterThan(0);
  },
  120_000,
);

test.each([
  [
    'UTF-16 with a mark',
    Buffer.from('\ufeff{}', 'utf16le'),
    /byte order mark of UTF-16/,
    /iconv -f UTF-16 -t UTF-8/,
  ],
  ['UTF-16', Buffer.from('{}', 'utf16le'), /zero/, /iconv|tr -d/],
  ['zeros at its end', Buffer.concat([Buffer.from('{}'), Buffer.alloc(5000)]), /zeros/, /tr -d '\\000'/],
])('a document in %s is refused with the remedy', (_, bytes, message, remedy) => {
  writeFileSync(file, bytes);
  expect(() => readCompareDocument(file)).toThrow(message);
  expect(() => readCompareDocument(file)).toThrow(remedy);
  expect(() => readCompareDocument(file)).toThrow(file);
});

test('a byte order mark of UTF-8 is left out', () => {
  writeFileSync(file, `\ufeff${DOCUMENT}`);
  expect(readCompareDocument(file)).toEqual(documentOf());
});
