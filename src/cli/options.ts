import { InvalidArgumentError, Option } from 'commander';

/** `--backend native|tensorflow`: both, without it. */
export function backendOption(): Option {
  return new Option('--backend <name>', 'kernels driven directly, or ops inside tfjs-node').choices([
    'native',
    'tensorflow',
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

/** A whole number above 0, for `argParser` and the like. */
export function countOption(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('expected a whole number above 0.');
}
