import type { Command } from 'commander';
import { PolycomError } from '../common/errors.js';
import { CALLERS_CHOICE, fileError, isSystemError, isWithin } from '../common/file-error.js';
import { tensorflowError } from '../common/tensorflow-error.js';

/**
 * An error for whoever gave a command: what the system or TensorFlow refused is typed, and the options of the command
 * that help are named.
 *
 * @param command the one that ran, with its options; none where it did not come to that
 * @returns the text; nothing for an error that is a fault of this package, whose stack is worth more
 */
export function explain(error: unknown, command: Command | undefined): string | undefined {
  const known = error instanceof PolycomError ? error : (tensorflowError(error) ?? systemError(error));
  if (known === undefined) return undefined;
  const options = command === undefined ? [] : helpfulOptions(known, command);
  return options.length === 0 ? known.message : `${known.message}: ${options.join(', ')}`;
}

const READING = ['open', 'read', 'stat', 'lstat', 'scandir', 'access'];

function systemError(error: unknown): PolycomError | undefined {
  if (!isSystemError(error) || error.path === undefined) return undefined;
  return fileError(error.path, READING.includes(error.syscall ?? '') ? 'read' : 'write', error);
}

/** The options to change. Only after a remedy, whose last words they go on from. */
function helpfulOptions({ code, path, remedy }: PolycomError, command: Command): string[] {
  if (remedy === undefined) return [];
  if (code === 'OUT_OF_MEMORY') return smallerOptions(command);
  if (path === undefined || !CALLERS_CHOICE.some((end) => remedy.endsWith(end))) return [];
  return command.options
    .filter(({ long }) => long !== undefined)
    .filter((option) => holds(command.getOptionValue(option.attributeName()), path))
    .map(({ long }) => long!);
}

function holds(value: unknown, path: string): boolean {
  if (Array.isArray(value)) return value.some((each) => holds(each, path));
  return typeof value === 'string' && isWithin(path, value);
}

/** Options that say how much is held at once, whose least is 1. */
const AMOUNTS = ['batch', 'time', 'samples', 'tokens', 'workers'];

function smallerOptions(command: Command): string[] {
  const has = (name: string): boolean => command.options.some((option) => option.attributeName() === name);
  const amounts = AMOUNTS.filter((name) => has(name) && command.getOptionValue(name) !== 1);
  const choices =
    has('memory') && command.getOptionValue('memory') !== 'checkpoint' ? ['--memory checkpoint'] : [];
  return [...amounts.map((name) => `--${name}`), ...choices];
}
