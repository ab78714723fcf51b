import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../../src/common/package.js';
import { findTools } from '../../src/native/tools.js';
import { Workshop } from '../cli/harness.js';

const missing = (await findTools()).filter(
  ({ name, program }) => ['cmake', 'compiler', 'make'].includes(name) && program === undefined,
);

/** Whether `polycom build` can be tried here; says so if not. */
export const able: boolean = missing.length === 0 && process.platform === 'linux';
if (!able)
  console.warn('skipped: the tests of builds: they need Linux, cmake, a compiler, and make or ninja');

/** How a build ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A build that is going on. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/**
 * Builds by `polycom build`, with a compiler to which every file of native is empty. It notes each, stops at the 20th
 * while the file `hold` is there, and refuses all while `fail` is.
 */
export class QuickBuilds {
  readonly shop: Workshop = new Workshop();
  readonly #quick: string;

  constructor() {
    const { shop } = this;
    const [log, hold, fail] = ['compiled', 'hold', 'fail'].map((name) => shop.path(name));
    this.#quick = shop.write(
      'quick.sh',
      `native=0
for word; do case $word in ${packageFolder}/native/*.cpp | */elementwise/*.cpp) native=1 file=$word;; esac; done
[ $native = 1 ] || exec c++ "$@"
[ ! -e '${fail}' ] || { echo "$file:1:1: error: not to the taste of this compiler" >&2; exit 1; }
if [ -e '${hold}' ] && [ "$(wc -l <'${log}')" -ge 20 ]; then exec sleep 60; fi
words=()
for word; do [ "$word" = "$file" ] && words+=(-xc++ /dev/null) || words+=("$word"); done
c++ "\${words[@]}" && echo "$file $*" >>'${log}'
`,
    );
  }

  /** Forgets all builds before. */
  reset(): void {
    for (const name of ['hold', 'fail', 'cache']) {
      rmSync(this.shop.path(name), { recursive: true, force: true });
    }
    this.shop.write('compiled', '');
  }

  /** Runs `polycom build`. */
  start(env: NodeJS.ProcessEnv = {}, options: readonly string[] = ['--no-cuda']): Running {
    const args = ['--import', 'tsx', join(packageFolder, 'src/cli/main.ts'), 'build', ...options];
    const variables = { CXX: `bash ${this.#quick}`, POLYCOM_CACHE: this.shop.path('cache'), ...env };
    const child = spawn(process.execPath, args, {
      cwd: packageFolder,
      env: { ...process.env, ...variables },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    const ended = new Promise<Ended>((resolve) =>
      child.on('close', (status) => resolve({ status, stdout, stderr })),
    );
    return { child, ended };
  }

  /** A line for each file that was compiled: it, and the compiler's words. */
  compiled(): string[] {
    const log = this.shop.path('compiled');
    return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  }

  /** Ends when so many files are compiled; a build that never comes so far fails by the test's limit. */
  async until(count: number): Promise<void> {
    while (this.compiled().length < count) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  /** What lies in the cache's folder of libraries. */
  stored(): string[] {
    return readdirSync(this.shop.path('cache/native'));
  }
}
