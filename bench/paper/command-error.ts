import type { Command } from 'commander';
import type { PolycomError } from 'polycom';
import { CALLERS_CHOICE, isWithin } from 'polycom/files';

/** An error for whoever gave the command: where a path of theirs was refused, the option that named it follows. */
export function explain({ message, path, remedy }: PolycomError, command: Command): string {
  if (path === undefined || !CALLERS_CHOICE.some((end) => remedy?.endsWith(end))) return message;
  const options = command.options
    .filter((option) => {
      const value: unknown = command.getOptionValue(option.attributeName());
      return typeof value === 'string' && isWithin(path, value);
    })
    .map(({ long }) => long);
  return options.length === 0 ? message : `${message}: ${options.join(', ')}`;
}
