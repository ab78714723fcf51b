/** Does as an application does that imports `polycom/tensorflow`, and says what that gave. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { tfjsActivations } from '../activations/table.js';
import { backwardPass, type FusedOp, forwardPass } from '../op/types.js';
import { answer, endProbe } from '../probe.js';
import { hasCuda } from '../tensorflow/cuda.js';
import { tensorflowStatus } from '../tensorflow/index.js';
import { loadTfjsNode } from '../tensorflow/load.js';
import { STREAM_TIER } from '../tensorflow/ops.js';
import { opName } from '../verify/checks.js';
import type { AllocatorState, TensorflowState } from './types.js';

await answer(await state());
endProbe();

async function state(): Promise<TensorflowState> {
  const tfjs = loadTfjsNode();
  if (!tfjs.loaded) {
    const { state, reason, remedy } = tfjs;
    return { state: state === 'failed' ? 'broken' : 'absent', reason, remedy };
  }
  const { packageName, binding } = tfjs;
  const { fused, reason = '', remedy = '' } = tensorflowStatus;
  if (!(await tf.setBackend('tensorflow'))) {
    return {
      state: 'broken',
      reason: `${packageName}'s backend does not start`,
      remedy: 'run: npx polycom tf-link --verify',
    };
  }
  const gpu = binding.isUsingGpuDevice();
  const library = loadedLibrary();
  const cuda = hasCuda();
  return {
    state: 'loaded',
    package: packageName,
    version: binding.TF_Version,
    ...(library === undefined ? {} : { library }),
    device: gpu ? 'cuda' : 'cpu',
    ...(cuda === undefined ? {} : { cuda }),
    allocator: allocatorState(),
    fused,
    ...(fused ? {} : { missing: { reason, remedy } }),
    ...(gpu && fused ? { stream_tier: STREAM_TIER } : {}),
    registered: Object.fromEntries(tfjsActivations.map((op) => [opName(op), backendsOf(op)])),
  };
}

function backendsOf(op: FusedOp): string[] {
  const passes = [forwardPass(op), backwardPass(op)];
  return Object.keys(tf.engine().registryFactory).filter((backend) =>
    passes.every(({ kernelName }) => tf.getKernel(kernelName, backend) != null),
  );
}

function allocatorState({ env } = process): AllocatorState {
  if (env.TF_CPU_ALLOCATOR_USE_BFC !== '1') return { kind: 'default' };
  const limit = Number(env.TF_CPU_BFC_MEM_LIMIT_IN_MB);
  return { kind: 'bfc', ...(limit > 0 ? { limit_mib: limit } : {}) };
}

function loadedLibrary(): string | undefined {
  try {
    return /\/\S.*\/libtensorflow(?:_cc)?\.so\S*$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0];
  } catch {
    return undefined; // a system without /proc
  }
}
