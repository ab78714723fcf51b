import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Names a tfjs-node that is not there, for tests that need no TensorFlow. */
export const NO_TENSORFLOW: NodeJS.ProcessEnv = { POLYCOM_TFJS_PACKAGE: 'not-a-package' };

/** How a run of the command line ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `polycom` from the sources. */
export function polycom(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  const command = ['--import', 'tsx', join(ROOT, 'src/cli/main.ts'), ...args];
  return spawnSync(process.execPath, command, {
    cwd: ROOT,
    env: { ...process.env, POLYCOM_LIBRARY: undefined, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
}

/** What a command that failed says: one line, and a remedy. */
export function refusalOf({ status, stderr }: Ended): string {
  expect(stderr).not.toMatch(/^ {4}at /m);
  const said = stderr.slice(Math.max(stderr.indexOf('polycom: cannot'), 0));
  expect(said.trim().split('\n'), stderr).toHaveLength(2);
  expect(status).toBe(1);
  return said;
}

/** Whether libraries can be compiled here; says so if not. */
export const compiler: boolean = spawnSync('c++', ['--version']).status === 0;
if (!compiler) console.warn('skipped: the tests that compile a library: no c++');

/** A folder for the file at hand. */
export class Workshop {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'polycom-cli-'));

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string, mode: number = 0o644): string {
    writeFileSync(this.path(name), text, { mode });
    return this.path(name);
  }

  /** Compiles a library that passes for libpolycom and whose every op is `body`: by default, it does nothing. */
  library(name: string, body: string = ''): string {
    const source = this.write(`${name}.cpp`, IMPOSTOR.replace('/* body */', body));
    const include = ['-I', join(ROOT, 'native/include')];
    execFileSync('c++', ['-shared', '-fPIC', ...include, '-o', this.path(`${name}.so`), source]);
    return this.path(`${name}.so`);
  }

  /** Compiles a library whose version function is `body`. */
  atLoad(name: string, body: string): string {
    const source = this.write(
      `${name}.cpp`,
      `#include <unistd.h>\nextern "C" int pc_abi_version() { ${body} }`,
    );
    execFileSync('c++', ['-shared', '-fPIC', '-o', this.path(`${name}.so`), source]);
    return this.path(`${name}.so`);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const IMPOSTOR = `
#include <polycom.h>
#include <cstring>
static int64_t text(char* buffer, int64_t capacity, const char* value) {
  if (buffer) strncpy(buffer, value, capacity);
  return strlen(value);
}
extern "C" {
int32_t pc_abi_version(void) { return PC_ABI_VERSION; }
int64_t pc_last_error(char* buffer, int64_t capacity) { return text(buffer, capacity, ""); }
int64_t pc_build_info(char* buffer, int64_t capacity) {
  return text(buffer, capacity,
    "{\\"version\\":\\"0\\",\\"cuda\\":false,\\"cuda_architectures\\":\\"\\",\\"simd\\":\\"none\\",\\"cpus\\":1}");
}
int32_t pc_device_count(pc_device device) { return device == PC_CPU; }
pc_status pc_queue_create(pc_device, int32_t, int32_t, pc_queue** queue) { *queue = (pc_queue*)queue; return PC_OK; }
pc_status pc_queue_synchronize(pc_queue*) { return PC_OK; }
pc_status pc_queue_destroy(pc_queue*) { return PC_OK; }
int32_t pc_queue_reaches_host(const pc_queue*) { return 1; }
#define DEFINE(op) \\
  pc_status pc_##op(pc_queue*, const pc_args*) { /* body */ return PC_OK; } \\
  pc_status pc_##op##_plan(const pc_queue*, pc_args*) { return PC_OK; }
#define BOTH(name, ...) DEFINE(name##_forward) DEFINE(name##_backward)
PC_ACTIVATIONS(BOTH)
PC_TRANSFORMER_OPS(BOTH)
}
`;
