/**
 * The README against the package: its code runs, its commands and links exist, its tables say what the sources say.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activationRows } from '../src/activations/table.js';
import { type CommandResult, runCommand } from '../src/common/command.js';
import { packageFolder } from '../src/common/package.js';
import { hasBinding, resolvePackage } from '../src/tensorflow/link/packages.js';
import { describeOp } from '../tools/ops.js';
import { native } from './native/harness.js';

const readme = fileText('README.md');

function fileText(...path: string[]): string {
  return readFileSync(join(packageFolder, ...path), 'utf8');
}

/** The README's code in these languages. */
function blocks(...languages: string[]): string[] {
  const fence = new RegExp(`^\`\`\`(?:${languages.join('|')})\\n(.*?)^\`\`\`$`, 'gms');
  return Array.from(readme.matchAll(fence), ([, code]) => code!);
}

/** The rows, without the head, of all tables below a heading. */
function rowsBelow(heading: string): string[][] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return tables(section).flat();
}

function tables(markdown: string): string[][][] {
  return Array.from(markdown.matchAll(/(?:^\|.*\n)+/gm), ([text]) => {
    const rows = text.trim().split('\n').slice(2);
    return rows.map((row) =>
      row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
  });
}

/** What a text marks as code: `npm test`. */
function marked(text: string): string[] {
  return Array.from(text.matchAll(/`([^`]+)`/g), ([, code]) => code!);
}

/** The first group of every match, each once. */
function all(text: string, pattern: RegExp): string[] {
  return [...new Set(Array.from(text.matchAll(pattern), ([, found]) => found!))];
}

/** All that is compiled, run or read by CMake, with string literals that span lines made whole. */
const sources = ['src', 'native', 'tools']
  .flatMap((folder) =>
    readdirSync(join(packageFolder, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|h|cpp|cu|cuh)$/.test(name))
      .map((name) => fileText(folder, name)),
  )
  .concat(fileText('CMakeLists.txt'))
  .join('\n')
  .replaceAll(/(['"`])\s*\+\s*\1/g, '')
  .replaceAll(/"\s*\n\s*"/g, '');

describe('the code', () => {
  const project = mkdtempSync(join(tmpdir(), 'polycom-readme-'));
  const code = blocks('ts').map((text, i) => ({ text, file: join(project, `block-${i}.mts`) }));
  const tfjs = resolvePackage('@tensorflow/tfjs-node', packageFolder);

  // A project that has the package installed, and finds it by its name, through its exports, compiled.
  beforeAll(() => {
    const modules = join(project, 'node_modules');
    mkdirSync(modules);
    symlinkSync(packageFolder, join(modules, 'polycom'));
    for (const name of ['@tensorflow', '@types']) {
      symlinkSync(join(packageFolder, 'node_modules', name), join(modules, name));
    }
    for (const { file, text } of code) writeFileSync(file, text);
  });
  afterAll(() => rmSync(project, { recursive: true }));

  test('is all looked at', () => {
    expect(code.length).toBeGreaterThanOrEqual(3);
    expect(readme.match(/^```/gm)).toHaveLength(2 * (code.length + blocks('sh', 'text').length));
  });

  // As whoever begins a project today has the compiler.
  test('fits the types of the package under `tsc --init`', () => {
    execFileSync(
      process.execPath,
      [createRequire(import.meta.url).resolve('typescript/lib/tsc.js'), '--init'],
      {
        cwd: project,
      },
    );
    const { config } = ts.readConfigFile(join(project, 'tsconfig.json'), ts.sys.readFile);
    const { options, errors } = ts.parseJsonConfigFileContent(config, ts.sys, project);
    expect(errors).toEqual([]);
    expect(options).toMatchObject({ strict: true, noUncheckedIndexedAccess: true, skipLibCheck: true });
    const program = ts.createProgram(
      code.map(({ file }) => file),
      { ...options, noEmit: true },
    );
    const problems = ts.getPreEmitDiagnostics(program);
    expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
  });

  test.for(code)('runs: $text', async ({ text, file }, context) => {
    const fused = text.includes("'polycom/tensorflow'");
    if (fused && (tfjs === undefined || !hasBinding(tfjs))) context.skip('tfjs-node is not linked');
    if (text.includes('findNative') && native === undefined) context.skip('there is no native library');
    // This repository has both tfjs-node packages, and the README's reader the one that is imported.
    const env = { ...process.env, POLYCOM_TFJS_PACKAGE: '@tensorflow/tfjs-node' };
    const { status, stdout, stderr } = await runCommand(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), file],
      env,
    );
    expect(status, stderr).toBe(0);
    expect(stderr).not.toMatch(/is already registered/);
    if (fused && native !== undefined) expect(stderr).not.toMatch(/^polycom:/m);
    expect(stdout.match(/^Tensor$/gm) ?? []).toHaveLength(text.match(/\.print\(\)/g)?.length ?? 0);
    expect(stdout).not.toMatch(/NaN|Infinity/);
  });
});

describe('the commands', () => {
  const cli = (...args: string[]): Promise<CommandResult> =>
    runCommand(process.execPath, [join(packageFolder, 'dist', 'cli', 'main.js'), ...args]);
  /** The names below `Commands:` in a help text. */
  const commandsOf = ({ stdout }: CommandResult): string[] =>
    all(stdout.split(/^Commands:$/m)[1] ?? '', /^ {2}([a-z][a-z-]*)/gm).filter((name) => name !== 'help');
  const mentioned = Array.from(readme.matchAll(/npx polycom (bench [a-z]+|[a-z][a-z-]*)((?: --[a-z-]+)*)/g));

  test.each([...new Set(mentioned.map(([, name]) => name!))])('polycom %s exists', async (name) => {
    const { status, stdout } = await cli(...name.split(' '), '--help');
    expect(status).toBe(0);
    expect(stdout.replace('[options] [command] ', '')).toMatch(
      new RegExp(`^Usage: polycom ${name}( |$)`, 'm'),
    );
    for (const [, , flags] of mentioned.filter(([, of]) => of === name)) {
      for (const flag of flags!.trim().split(' ')) expect(stdout).toContain(flag);
    }
  });

  test('are those that the command line has', async () => {
    const top = commandsOf(await cli('--help')).filter((name) => name !== 'bench');
    const bench = commandsOf(await cli('bench', '--help')).map((name) => `bench ${name}`);
    const listed = rowsBelow('Command line').map(([cell]) => marked(cell!)[0]!.replace('npx polycom ', ''));
    expect(listed.sort()).toEqual([...top, ...bench].sort());
  });

  test('of npm are scripts of the package', () => {
    const { scripts } = JSON.parse(fileText('package.json')) as { scripts: Record<string, string> };
    const names = all(readme, /npm run ([a-z:]+)/g);
    expect(names).toContain('bench');
    for (const name of [...names, 'test']) expect(Object.keys(scripts)).toContain(name);
  });
});

test('the entry points are those of the package', () => {
  const { name, exports } = JSON.parse(fileText('package.json')) as {
    name: string;
    exports: Record<string, unknown>;
  };
  const entries = Object.keys(exports).filter((entry) => !entry.endsWith('.json'));
  const listed = rowsBelow('Entry points').map(([cell]) => marked(cell!)[0]);
  expect(listed.sort()).toEqual(entries.map((entry) => entry.replace('.', name)).sort());
});

test('the environment variables are those that the sources know', () => {
  const listed = rowsBelow('Environment variables').flatMap(([cell]) => marked(cell!));
  const patterns = [
    /\benv\.([A-Z][A-Z0-9_]+)/g,
    /\bgetenv\("([A-Z0-9_]+)"\)/g,
    /\bENV[{ ]([A-Z0-9_]+)/g, // CMake's
    /[{,]\s*(TF_[A-Z0-9_]+):/g, // those that prepareProcess sets
  ];
  expect(listed.sort()).toEqual([...new Set(patterns.flatMap((pattern) => all(sources, pattern)))].sort());
});

test('the troubles are texts of the sources', () => {
  const [ours] = tables(readme.slice(readme.indexOf('## Troubleshooting')));
  const texts = ours!.flatMap(([cell]) => marked(cell!));
  expect(texts.length).toBeGreaterThan(20);
  const pieces = texts.flatMap((text) => text.split('…').map((piece) => piece.trim()));
  expect(pieces.filter((piece) => !sources.includes(piece))).toEqual([]);
});

test('what is supported is what the rows of the table say', () => {
  const both = 'forward, backward';
  const wanted = activationRows.map((op) => {
    const { kind, name, storage } = describeOp(op, 'activation');
    const dtypes = storage === 'any' ? 'f32, f16, bf16' : 'f32';
    const inside = kind === 'gated' ? 'f32, from two tensors or packed' : 'f32';
    return [`\`${name}\``, dtypes, both, both, inside, 'composed, with gradients'];
  });
  expect(rowsBelow('What is supported')).toEqual(wanted);
});

test('no table has an empty cell', () => {
  const rows = tables(readme).flat();
  expect(rows.filter((cells) => cells.includes('')).map((cells) => cells.join(' | '))).toEqual([]);
});

test('every link inside the repository leads somewhere', () => {
  const links = all(readme, /\]\(([^)\s]+)\)/g).filter((link) => !/^https?:/.test(link));
  const headings = all(readme, /^#+ (.*)$/gm).map((text) => `#${text.toLowerCase().replaceAll(' ', '-')}`);
  const dead = links.filter((link) =>
    link.startsWith('#') ? !headings.includes(link) : !existsSync(join(packageFolder, link)),
  );
  expect(dead).toEqual([]);
});
