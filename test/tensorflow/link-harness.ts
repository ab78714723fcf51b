import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { PolycomError } from '../../src/common/errors.js';

/** The root of this checkout. */
export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** Makes a temporary folder, which lives until {@link removeFolders}. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'polycom-link-'));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];

/** Removes what {@link temporaryFolder} made. */
export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Points the cache at a new folder for the test at hand; returns the folder. */
export function temporaryCache(): string {
  const folder = temporaryFolder();
  vi.stubEnv('POLYCOM_CACHE', folder);
  vi.stubEnv('POLYCOM_TENSORFLOW', undefined);
  return folder;
}

/** Writes text files below a folder. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode: 0o755 });
  }
}

/** What a wheel of TensorFlow holds, in miniature. Importing it fails, as nobody should. */
export function tensorflowFiles(version: string): Record<string, string> {
  return {
    'tensorflow/__init__.py': 'raise RuntimeError("imported")\n',
    'tensorflow/libtensorflow_cc.so.2': 'the large library',
    'tensorflow/libtensorflow_framework.so.2': 'the small library',
    'tensorflow/include/tensorflow/c/c_api.h': '#error "not a real header"\n',
    'tensorflow/include/tensorflow/c/eager/c_api.h': '',
    'tensorflow/python/not_needed.py': '',
    [`tensorflow-${version}.dist-info/METADATA`]: `Version: ${version}\n`,
  };
}

/** Zips text files into a wheel, with python3; returns its path. */
export function makeWheel(folder: string, name: string, files: Readonly<Record<string, string>>): string {
  const wheel = join(folder, name);
  const script = `import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for name, text in json.loads(sys.argv[2]).items(): z.writestr(name, text)`;
  spawnSync('python3', ['-c', script, wheel, JSON.stringify(files)]);
  return wheel;
}

/** A project with both tfjs-node packages, as npm leaves them when their install scripts do not run. */
export function makeProject(): string {
  const project = temporaryFolder();
  for (const name of ['tfjs-node', 'tfjs-node-gpu']) {
    const from = join(ROOT, 'node_modules', '@tensorflow', name);
    const to = join(project, 'node_modules', '@tensorflow', name);
    for (const part of ['package.json', 'binding'])
      cpSync(join(from, part), join(to, part), { recursive: true });
  }
  return project;
}

/** What a child process left. */
export interface ChildResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs TypeScript in a new Node; an environment variable given as `undefined` is absent there. */
export function runTypeScript(code: string, env: NodeJS.ProcessEnv = {}): Promise<ChildResult> {
  const file = join(temporaryFolder(), 'script.mts');
  writeFileSync(file, code);
  const args = ['--import', import.meta.resolve('tsx'), file];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text: Buffer) => {
      stdout += text;
    });
    child.stderr.on('data', (text: Buffer) => {
      stderr += text;
    });
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** Whether a program runs here. */
export function runs(program: string, ...args: string[]): boolean {
  return spawnSync(program, args).status === 0;
}

/** The PolycomError that a promise ends in. */
export async function errorOf(promise: Promise<unknown>): Promise<PolycomError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof PolycomError) return error;
  throw new Error(`expected a PolycomError, got ${String(error)}`);
}
