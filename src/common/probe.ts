import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How a probe is run. */
export interface ProbeOptions<Message> {
  /** Milliseconds without a message after which it counts as hanging, and is killed. */
  readonly timeout: number;
  readonly onMessage: (message: Message) => void;
}

/**
 * Runs a module of this package in a process of its own, so that what crashes or hangs there is only an answer here.
 *
 * @param from the caller's `import.meta.url`
 * @param name the module beside the caller, without extension
 * @param job its argument, as JSON: {@link probeJob} reads it there, and {@link answer} answers
 * @returns how it failed: by which signal or status, and the last line that it wrote; nothing if it ended well
 */
export async function runProbe<Message>(
  from: string,
  name: string,
  job: unknown,
  { timeout, onMessage }: ProbeOptions<Message>,
): Promise<string | undefined> {
  const script = fileURLToPath(new URL(`./${name}${extname(from)}`, from));
  const child = fork(script, [JSON.stringify(job)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let stderr = '';
  let hung = false;
  const give = (): void => {
    hung = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(give, timeout);
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  child.on('message', (message) => {
    clearTimeout(timer);
    timer = setTimeout(give, timeout);
    onMessage(message as Message);
  });
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('close', (...how) => resolve(how));
    child.on('error', (error) => {
      stderr += `\n${error.message}`;
      resolve([1, null]);
    });
  });
  clearTimeout(timer);
  if (hung) return `gave no answer for ${timeout / 1000} s`;
  if (status === 0) return undefined;
  return signal === null ? `ended with status ${status}${lastWords(stderr)}` : `crashed with ${signal}`;
}

/** In the process of a probe: the job that it was given. */
export function probeJob<Job>(): Job {
  return JSON.parse(process.argv[2]!) as Job;
}

/** In the process of a probe: sends a message, and waits until it has left, as the next step may be a crash. */
export function answer(message: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

/** In the process of a probe: ends it, whatever native threads are left. */
export function endProbe(): never {
  process.exit(0);
}

function lastWords(stderr: string): string {
  const lines = stderr.trim().split('\n');
  const error = lines.find((line) => /^(\w*Error\b|Uncaught)/.test(line.trim())) ?? lines.at(-1);
  return error === undefined || error === '' ? '' : `: ${error.trim()}`;
}
