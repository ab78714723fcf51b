/** The floors of src: which folder may import which. A lower floor never knows a higher one. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { packageFolder } from '../../src/common/package.js';

const root = join(packageFolder, 'src');

/** The folders of src from the ground up. One imports those before it; folders of one line do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ['common'],
  ['native', 'data'],
  ['op'],
  ['activations'],
  ['transformer-ops', 'layers'],
  ['model'],
  ['checkpoint'],
  ['generate', 'files'],
  ['(entry)'],
  ['tensorflow'],
  ['train'],
  ['bench'],
  ['verify', 'report'],
  ['doctor'],
  ['cli'],
];

const folderOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '(entry)');
const floorOf = (folder: string) => FLOORS.findIndex((floor) => floor.includes(folder));

/** Every import of src from one folder of it into another, in whatever way. */
const imports = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => {
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
    return importedFiles
      .filter(({ fileName }) => fileName.startsWith('.'))
      .map(({ fileName }) => ({ file, imported: normalize(join(dirname(file), fileName)) }));
  })
  .filter(({ file, imported }) => folderOf(file) !== folderOf(imported));

test('every folder has a floor', () => {
  const folders = new Set(imports.flatMap(({ file, imported }) => [folderOf(file), folderOf(imported)]));
  expect([...folders].filter((folder) => floorOf(folder) < 0)).toEqual([]);
  expect(folders.size).toBeGreaterThan(15);
});

test('no import goes up, or across, or out of src', () => {
  const wrong = imports.filter(
    ({ file, imported }) => !(floorOf(folderOf(imported)) < floorOf(folderOf(file))),
  );
  expect(wrong).toEqual([]);
  expect(imports.length).toBeGreaterThan(300);
});
