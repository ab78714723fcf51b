const said = new Set<string>();

/** The topic of every notice that ops run as compositions: who could not register fused ones has said why. */
export const NO_FUSED_KERNELS = 'no fused kernels';

/**
 * Says a line on stderr, once per process and topic. `POLYCOM_QUIET=1` silences it, and so does a browser, where nobody
 * could do anything about it.
 * For states that are normal but worth knowing: no native library, no TensorFlow, a composition in use.
 *
 * @param topic what it is about, where two places may say it in other words; the message itself by default
 */
export function sayOnce(message: string, topic: string = message): void {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  if (said.has(topic) || process?.env?.POLYCOM_QUIET === '1') return;
  said.add(topic);
  process?.stderr?.write(`polycom: ${message}\n`);
}
