/** The paper is a user of the package: by its entry points alone. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { ROOT } from './runs.js';

const PAPER = join(ROOT, 'bench/paper');

interface Import {
  readonly file: string;
  readonly name: string;
}

/** All that the paper's modules and tests import, in whatever way. */
const imports: readonly Import[] = readdirSync(PAPER, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('node_modules'))
  .flatMap((file) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(PAPER, file), 'utf8'), true, true);
    return importedFiles.map(({ fileName }) => ({ file, name: fileName }));
  });

function json(path: string): Record<string, Record<string, unknown>> {
  return JSON.parse(readFileSync(path, 'utf8'));
}

test('the package is imported by entry points that it exports', () => {
  const entries = Object.keys(json(join(ROOT, 'package.json')).exports!).map((entry) =>
    entry.replace('.', 'polycom'),
  );
  const used = imports.filter(({ name }) => name === 'polycom' || name.startsWith('polycom/'));
  expect(used.length).toBeGreaterThan(50);
  expect(used.filter(({ name }) => !entries.includes(name))).toEqual([]);
});

test('no module of the package is imported by its file, nor anything else outside but test helpers, by tests', () => {
  const outside = imports
    .filter(({ name }) => name.startsWith('.') || name.startsWith('/'))
    .map(({ file, name }) => ({ file, path: relative(PAPER, join(PAPER, dirname(file), name)) }))
    .filter(({ path }) => path.startsWith('..'));
  const allowed = ({ file, path }: (typeof outside)[number]): boolean =>
    file.startsWith('test/') && path.startsWith('../../test/');
  expect(outside.length).toBeGreaterThan(3);
  expect(outside.filter((one) => !allowed(one))).toEqual([]);
});

test('every package that it imports is declared', () => {
  const { dependencies } = json(join(PAPER, 'package.json'));
  const names = imports
    .filter(({ file, name }) => !file.startsWith('test/') && !/^(\.|node:)/.test(name))
    .map(({ name }) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
  expect(names).toContain('commander');
  expect(names.filter((name) => !Object.hasOwn(dependencies!, name))).toEqual([]);
});
