import { spawnSync } from 'node:child_process';
import type { NativeLibrary } from '../../src/native/library.js';
import type { Device } from '../../src/native/types.js';
import { emulatedCuda, native } from './harness.js';

/** A device to test: the CPU, and CUDA's emulator, each with the library that has it, if there is one. */
export interface Host {
  readonly device: Device;
  readonly library: NativeLibrary | undefined;
}

export const hosts: readonly Host[] = [
  { device: 'cpu', library: native },
  { device: 'cuda', library: await emulatedCuda() },
];

/** How a process of its own ended. */
export interface Ended {
  /** The exit status, or the signal. */
  readonly status: number | string;
  /** What `say` was given, in order. */
  readonly said: readonly unknown[];
}

const SOURCE = JSON.stringify(new URL('../../src/', import.meta.url).href);

/** The beginning of a script that has a device: sees `library`, `queue`, `DeviceTensor`, `say` and `turn`. */
export function preamble({ device, library }: Host): string {
  return `
    const { openLibrary } = await import(${SOURCE} + 'native/library.ts');
    const { DeviceTensor } = await import(${SOURCE} + 'native/tensor.ts');
    const device = ${JSON.stringify(device)};
    const library = openLibrary(${JSON.stringify(library?.path)});
    const queue = library.createQueue({ device });
    const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
    const turn = () => new Promise((resolve) => setImmediate(resolve));
  `;
}

/** Runs a script after {@link preamble} in a process of its own, with `gc`. */
export function inChild(host: Host, script: string, env: NodeJS.ProcessEnv = {}): Ended {
  const code = preamble(host) + script;
  const args = ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', code];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  if (stderr !== '') console.warn(stderr);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { status: status ?? String(signal), said: lines.map((line) => JSON.parse(line) as unknown) };
}
