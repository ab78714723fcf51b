import type { Command } from 'commander';
import { backendOption, deviceOption, type HostCommandOptions, timeoutOption } from './options.js';

/** Adds `verify`: are the kernels right on this machine? */
export function registerVerify(program: Command): void {
  program
    .command('verify')
    .description('check every op on this machine against its reference')
    .addOption(backendOption())
    .addOption(deviceOption())
    .addOption(timeoutOption('a check'))
    .option('--json', 'print the results as JSON')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
Every op, forward and backward: odd sizes, several scales, orders and dtypes against an f64 reference; the same bits
again; NaN, infinity and zeros. The exit status is 1 if a check failed, or if there was nothing to check.`;

async function run({ backend, device, timeout, json }: HostCommandOptions): Promise<void> {
  const { verify } = await import('../verify/index.js');
  const { formatVerify } = await import('../verify/format.js');
  const { progressOn } = await import('../bench/progress.js');
  const progress = progressOn(process.stderr, process.stderr.isTTY ? {} : { quiet: true });
  const document = await verify({ backend, device, timeout: timeout * 1000, onStep: progress.step }).finally(
    progress.end,
  );
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : formatVerify(document));
  if (!document.ok) process.exitCode = 1;
}
