/** Which modules the entries reach, and whether package.json names the packages that they import. */
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { packageFolder, packageVersion } from '../../src/common/package.js';

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
}

const manifest = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as Manifest;

/** What a module imports, in whatever way. */
function importsOf(path: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(path, 'utf8'), true, true);
  return importedFiles.map(({ fileName }) => fileName);
}

/** Every module of this package that an entry runs, and the packages that those import. */
function reachedFrom(entry: string): { files: string[]; packages: string[] } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const queue = [join(packageFolder, entry)];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (files.has(path)) continue;
    files.add(path);
    for (const name of importsOf(path)) {
      if (name.startsWith('.')) queue.push(join(dirname(path), name));
      else packages.add(name);
    }
  }
  return { files: [...files], packages: [...packages] };
}

describe('an entry that browsers can import', () => {
  test.each(['.', './layers', './transformer-ops', './model'])('%s reaches no module of Node', (name) => {
    const { files, packages } = reachedFrom(manifest.exports[name]!.default!);
    expect(files.length).toBeGreaterThan(5);
    expect(packages).toContain('@tensorflow/tfjs-core');
    expect(packages.filter((of) => of.startsWith('node:') || builtinModules.includes(of))).toEqual([]);
    expect(packages.filter((of) => !/^@tensorflow\/tfjs-(core|layers)$/.test(of))).toEqual([]);
  });
});

const sources = readdirSync(join(packageFolder, 'src'), { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts'),
);

/** The package of a module's name: `@a/b` of `@a/b/c`. */
function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

test('every package that the sources import is declared', () => {
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
  const imported = sources.flatMap((file) =>
    importsOf(join(packageFolder, 'src', file))
      .filter((name) => !name.startsWith('.') && !name.startsWith('node:'))
      .map((name) => ({ file, name: packageOf(name) })),
  );
  expect(imported.length).toBeGreaterThan(50);
  expect(imported.filter(({ name }) => !Object.hasOwn(declared, name))).toEqual([]);
});

test('the absence of an optional package that is loaded when it is needed has a remedy', () => {
  const text = sources.map((file) => readFileSync(join(packageFolder, 'src', file), 'utf8')).join('\n');
  const names = [...new Set(Array.from(text.matchAll(/await import\('([^'.]+)'\)/g), ([, name]) => name!))];
  expect(names).toContain('@tensorflow/tfjs-backend-cpu');
  for (const name of names) {
    expect(manifest.peerDependenciesMeta[name]?.optional, name).toBe(true);
    expect(text).toMatch(new RegExp(`npm install [^'\\n]*${name}(@|['\\s])`));
  }
});

test('the version is that of package.json', () => {
  expect(packageVersion).toBe(manifest.version);
});
