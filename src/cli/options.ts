import { InvalidArgumentError, Option } from 'commander';
import type { Device } from '../native/types.js';
import type { Backend } from '../verify/types.js';

/** What a command that looks at hosts may be told. */
export interface HostCommandOptions {
  readonly backend?: Backend;
  readonly device?: Device;
  readonly timeout: number;
  readonly json?: boolean;
}

/** `--backend native|tensorflow`: both, without it. */
export function backendOption(): Option {
  return new Option('--backend <name>', 'kernels driven directly, or ops inside tfjs-node').choices([
    'native',
    'tensorflow',
  ]);
}

/** `--backend tensorflow|cpu` of what runs a model: the best there is, without it. */
export function tfjsBackendOption(): Option {
  return new Option('--backend <name>', "tfjs-node, or tfjs's own kernels in JavaScript").choices([
    'tensorflow',
    'cpu',
  ]);
}

/** `--device cpu|cuda`: whatever there is, without it. */
export function deviceOption(): Option {
  return new Option('--device <name>', 'where they run').choices(['cpu', 'cuda']);
}

/** `--timeout <seconds>`. */
export function timeoutOption(what: string): Option {
  return new Option('--timeout <seconds>', `after which ${what} counts as hanging`)
    .default(120)
    .argParser(seconds);
}

function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value < 2 ** 21) return value;
  throw new InvalidArgumentError('expected a number of seconds.');
}

/** Parses a whole number from `least` on. */
export function wholeArgument(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least} on.`);
  };
}

/** Parses a percentage from 0 on, such as 5% or 5, into a share. */
export function percentArgument(text: string): number {
  if (/^\d+(\.\d+)?%?$/.test(text)) return Number(text.replace('%', '')) / 100;
  throw new InvalidArgumentError('expected a percentage, such as 5%.');
}

/** Parses tokens, such as 1 or 1,2. */
export function tokensArgument(text: string): number[] {
  if (/^\d+(,\d+)*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('expected numbers of tokens, such as 1 or 1,2.');
}

/** The way that an option is written, from its name in JavaScript: --top-p of topP. */
export function written(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Parses a number. */
export function realArgument(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('expected a number.');
}

/** Parses a number above 0. */
export function positiveArgument(text: string): number {
  const value = realArgument(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('expected a number above 0.');
}

/** Parses a share from 0 to below 1. */
export function shareArgument(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value < 1) return value;
  throw new InvalidArgumentError('expected a number from 0 to below 1, such as 0.05.');
}

/** Collects an option that is given several times. */
export function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}
