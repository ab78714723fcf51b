import type { Tool } from '../native/tools.js';
import type { Finding } from './types.js';

/** The lines about the programs that building needs. */
export function toolFindings(tools: readonly Tool[]): Finding[] {
  return tools.map(({ name, program, version, use, remedy }) =>
    program === undefined
      ? { mark: 'absent', label: name, value: `not found (for ${use})`, remedy }
      : { mark: 'ok', label: name, value: `${program} ${version ?? ''}`.trim() },
  );
}
