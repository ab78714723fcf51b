import * as tf from '@tensorflow/tfjs-core';

/** Where a call's time went, in milliseconds. */
export interface HostProfile {
  readonly ms_total: number;
  /** Outside the backend's ops: this package's TypeScript, tfjs, Node. */
  readonly ms_host: number;
  /** In matrix products. */
  readonly ms_matmul: number;
}

type Execute = (name: string, ...rest: unknown[]) => unknown;

/** What this file uses of tfjs-node's backend: the one place through which it runs TensorFlow's ops. */
interface NodeBackend {
  binding?: { executeOp: Execute };
}

/**
 * Runs f once with the time inside TensorFlow's ops apart, under tfjs-node; undefined on another backend. The clock is
 * read twice an op, which costs a small part of a microsecond each.
 */
export function profileHost(f: () => void): HostProfile | undefined {
  const backend = tf.backend() as unknown as NodeBackend;
  const { binding } = backend;
  if (binding === undefined) return undefined;
  let [inside, matmul] = [0, 0];
  const executeOp: Execute = (name, ...rest) => {
    const began = performance.now();
    try {
      return binding.executeOp(name, ...rest);
    } finally {
      const took = performance.now() - began;
      inside += took;
      if (/MatMul/.test(name)) matmul += took;
    }
  };
  backend.binding = Object.create(binding, { executeOp: { value: executeOp } }); // its own cannot be written
  const began = performance.now();
  try {
    f();
  } finally {
    backend.binding = binding;
  }
  const total = performance.now() - began;
  return { ms_total: total, ms_host: total - inside, ms_matmul: matmul };
}
