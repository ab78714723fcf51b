import { spawn } from 'node:child_process';

/** What a finished command left. */
export interface CommandResult {
  /** The exit status; `undefined` when the program does not exist or was killed. */
  readonly status: number | undefined;
  readonly missing: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, without a shell. Never rejects: a missing program is a result too.
 *
 * @param signal ends the program, and all that it has started, which leaves the terminal's signals to this process
 */
export function runCommand(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  onOutput: (text: string) => void = () => undefined,
  signal?: AbortSignal,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const detached = signal !== undefined;
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached });
    const end = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    };
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      onOutput(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      onOutput(text);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      resolve({ status: undefined, missing, stdout, stderr: stderr + error.message });
    });
    child.on('close', (status, killer) => {
      signal?.removeEventListener('abort', end);
      if (killer !== null) stderr += `\nended by ${killer}`;
      resolve({ status: status ?? undefined, missing: false, stdout, stderr });
    });
  });
}

/** The last lines that a command wrote, for an error message. */
export function lastLines(result: CommandResult, count: number = 12): string {
  const lines = `${result.stdout}\n${result.stderr}`.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(-count).join('\n');
}
