const said = new Set<string>();

/** The topic of every notice that ops run as compositions. */
export const NO_FUSED_KERNELS = 'no fused kernels';

/**
 * Says a line on stderr, once per process and topic: by default, the line itself. `POLYCOM_QUIET=1` silences it.
 * For states that are normal but worth knowing: no native library, no TensorFlow, a composition in use.
 */
export function sayOnce(message: string, topic: string = message): void {
  if (said.has(topic) || process.env.POLYCOM_QUIET === '1') return;
  said.add(topic);
  process.stderr.write(`polycom: ${message}\n`);
}
