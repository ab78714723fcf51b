/** Does as an application does that imports `polycom/tensorflow`, and says what that gave. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { answer, endProbe } from '../common/probe.js';
import { relu2 } from '../index.js';
import { type Op, passesOf } from '../op/types.js';
import { tfjsActivations } from '../ops.js';
import { hasCuda } from '../tensorflow/cuda.js';
import { tensorflowStatus } from '../tensorflow/index.js';
import { loadTfjsNode } from '../tensorflow/load.js';
import { streamTier } from '../tensorflow/ops.js';
import { streamRefusal } from '../tensorflow/stream.js';
import { checkedName } from '../verify/checks.js';
import type { Absent } from '../verify/types.js';
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
    ...(gpu && fused ? tierOfAnOp() : {}),
    registered: Object.fromEntries(tfjsActivations.map((op) => [checkedName(op), backendsOf(op)])),
  };
}

/** How an op is ordered with TensorFlow's work, which shows when one runs. */
function tierOfAnOp(): { stream_tier?: number; no_stream?: Absent } {
  tf.tidy(() => relu2(tf.scalar(1)).dataSync());
  const tier = streamTier();
  if (tier === undefined) return {};
  const refusal = tier > 1 ? streamRefusal() : undefined;
  return { stream_tier: tier, ...(refusal === undefined ? {} : { no_stream: refusal }) };
}

function backendsOf(op: Op): string[] {
  return Object.keys(tf.engine().registryFactory).filter((backend) =>
    passesOf(op).every(({ kernelName }) => tf.getKernel(kernelName, backend) != null),
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
