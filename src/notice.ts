const said = new Set<string>();

/**
 * Says a line on stderr, once per process and text. `POLYCOM_QUIET=1` silences it.
 * For states that are normal but worth knowing: no native library, no TensorFlow, a composition in use.
 */
export function sayOnce(message: string): void {
  if (said.has(message) || process.env.POLYCOM_QUIET === '1') return;
  said.add(message);
  process.stderr.write(`polycom: ${message}\n`);
}
