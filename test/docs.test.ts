/** The pages of docs/ against the repository: links lead somewhere, and the folders that they name are all there are. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { packageFolder } from '../src/common/package.js';

const docs = join(packageFolder, 'docs');
const pages = readdirSync(docs).filter((name) => name.endsWith('.md'));

function textOf(page: string): string {
  return readFileSync(join(docs, page), 'utf8');
}

function foldersOf(...path: string[]): string[] {
  return readdirSync(join(packageFolder, ...path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** The drawing of the folders, whose lines are paths below the one above. */
const TREE = /^## The folders\n+```text\n(.*?)^```/ms;

/** Code to be put into files, which name what is to come. */
const CODE = /^```(?!text).*?^```$/gms;

test.each(pages)('every link of %s inside the repository leads somewhere', (page) => {
  const links = Array.from(
    textOf(page)
      .replaceAll(CODE, '')
      .matchAll(/\]\(([^)\s#]+)[^)]*\)/g),
    ([, link]) => link!,
  );
  const dead = links.filter((link) => !/^https?:/.test(link) && !existsSync(join(docs, dirname(page), link)));
  expect(dead).toEqual([]);
});

test.each(pages)('every path that %s names is there', (page) => {
  const roots = foldersOf().join('|');
  const named = Array.from(
    textOf(page)
      .replace(TREE, '')
      .replaceAll(CODE, '')
      .matchAll(new RegExp(`(?<![\\w/.])((?:${roots})/[\\w/.-]*\\w)`, 'g')),
    ([, path]) => path!,
  );
  const made = (path: string): boolean => /^(build|dist|node_modules)\//.test(path);
  expect(named.filter((path) => !made(path) && !existsSync(join(packageFolder, path)))).toEqual([]);
});

test('the architecture names every folder of src and native', () => {
  const tree = TREE.exec(textOf('architecture.md'))![1]!;
  const part = (from: string, to: string): string => tree.slice(tree.indexOf(from), tree.indexOf(to));
  for (const folder of foldersOf('src'))
    expect(part('\nsrc/', '\ntest/')).toMatch(new RegExp(`\\b${folder}/`));
  for (const folder of foldersOf('native'))
    expect(part('native/', '\nsrc/')).toMatch(new RegExp(`\\b${folder}/`));
});

test('the architecture lists the floors that imports are held against', () => {
  const floors = /^## What may import what\n.*?```text\n(.*?)^```/ms.exec(textOf('architecture.md'))![1]!;
  const named = floors.split(/\s+/).filter((name) => name !== '');
  expect(named.sort()).toEqual(
    foldersOf('src')
      .filter((name) => name !== 'paper')
      .sort(),
  );
});
