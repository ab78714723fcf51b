import type { Command } from 'commander';
import { backendOption, deviceOption, type HostCommandOptions, timeoutOption } from './options.js';

/** Adds `doctor`: what was found, what is missing, the remedy for each. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('say what was found, what is missing, and what to do about it')
    .addOption(deviceOption())
    .addOption(backendOption())
    .addOption(timeoutOption('a probe'))
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
✔ found, – missing, which is normal, ✖ broken. What --device or --backend asks for must be there. The exit status
is 1 if something is broken, or an op gives a wrong result.`;

async function run({ json, timeout, ...request }: HostCommandOptions): Promise<void> {
  const { diagnose } = await import('../doctor/index.js');
  const { formatDoctor } = await import('../doctor/format.js');
  const document = await diagnose({ ...request, timeout: timeout * 1000 });
  const color = process.stdout.isTTY === true && !process.env.NO_COLOR;
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : formatDoctor(document, color));
  if (!document.ok) process.exitCode = 1;
}
