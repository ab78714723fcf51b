import { PolycomError } from '../common/errors.js';
import { runProbe } from '../common/probe.js';
import { LINK_GPU, whyOnCpu } from '../tensorflow/cuda.js';
import { findTensorflow } from '../tensorflow/link/find.js';
import { hasBinding, resolvePackages } from '../tensorflow/link/packages.js';
import type { Absent } from '../verify/types.js';
import type {
  DoctorRequest,
  Facts,
  Finding,
  TensorflowAtHand,
  TensorflowState,
  TfjsInstalled,
} from './types.js';

/** The tfjs-node packages of the working directory. */
export function findTfjs(): TfjsInstalled[] {
  return resolvePackages(process.cwd()).map((tfjs) => {
    const { name, version, folder } = tfjs;
    return { name, version, folder, linked: hasBinding(tfjs) };
  });
}

/** Imports `polycom/tensorflow` in a process of its own. */
export async function findTensorflowState(timeout: number): Promise<TensorflowState> {
  let state: TensorflowState | undefined;
  const onMessage = (message: TensorflowState): void => {
    state = message;
  };
  const failure = await runProbe(import.meta.url, 'tensorflow-probe', {}, { timeout, onMessage });
  if (failure === undefined && state !== undefined) return state;
  return {
    state: 'broken',
    reason: `loading tfjs-node ${failure}`,
    remedy: 'run: npx polycom tf-link --verify',
  };
}

/** The TensorFlow that linking would take, or what is wrong with the one that `POLYCOM_TENSORFLOW` names. */
export async function findTensorflowAtHand(): Promise<TensorflowAtHand | Absent | undefined> {
  try {
    const found = await findTensorflow();
    return found && { version: found.version, folder: found.libraryFolder, source: found.source };
  } catch (error) {
    if (!(error instanceof PolycomError)) throw error;
    return { reason: error.message.split('\n')[0]!, remedy: error.remedy ?? '' };
  }
}

/** The lines about TensorFlow and the ops in it. */
export function tensorflowFindings(facts: Omit<Facts, 'smoke'>, request: DoctorRequest): Finding[] {
  const { tensorflow, tfjs } = facts;
  const installed: Finding[] = tfjs.map(({ name, version, linked }) => ({
    mark: linked ? 'ok' : 'absent',
    label: 'package',
    value: `${name} ${version}${linked ? '' : ', without a binding'}`,
    ...(linked ? {} : { remedy: 'run: npx polycom tf-link' }),
  }));
  return [
    ...installed,
    ...(tensorflow.state === 'loaded'
      ? loaded(tensorflow, facts.gpu.gpus.length, request)
      : missing(facts, request)),
  ];
}

function missing(
  { tensorflow, tensorflow_at_hand }: Omit<Facts, 'smoke'>,
  request: DoctorRequest,
): Finding[] {
  if (tensorflow.state === 'loaded') return [];
  const { state, reason, remedy } = tensorflow;
  const wanted = request.backend === 'tensorflow';
  const findings: Finding[] = [
    { mark: wanted ? 'broken' : state, label: 'TensorFlow', value: reason, remedy },
  ];
  if (tensorflow_at_hand === undefined) return findings;
  if ('reason' in tensorflow_at_hand) {
    const { reason: why, remedy: how } = tensorflow_at_hand;
    return [...findings, { mark: 'broken', label: 'at hand', value: why, remedy: how }];
  }
  const { version, source, folder } = tensorflow_at_hand;
  return [
    ...findings,
    { mark: 'ok', label: 'at hand', value: `TensorFlow ${version} (${source}) in ${folder}` },
  ];
}

function loaded(
  tensorflow: TensorflowState & { state: 'loaded' },
  gpus: number,
  request: DoctorRequest,
): Finding[] {
  const { version, library, fused, stream_tier, no_stream, registered } = tensorflow;
  const wanted = request.backend === 'tensorflow';
  const findings: Finding[] = [
    { mark: 'ok', label: 'TensorFlow', value: library === undefined ? version : `${version} in ${library}` },
    deviceFinding(tensorflow, gpus, request),
    allocatorFinding(tensorflow),
  ];
  if (fused) {
    for (const [backend, ops] of byBackend(registered)) {
      findings.push({ mark: 'ok', label: 'fused ops', value: `${ops.join(', ')} (backend '${backend}')` });
    }
  } else {
    const { reason = '', remedy = '' } = tensorflow.missing ?? {};
    findings.push({
      mark: wanted ? 'broken' : 'absent',
      label: 'fused ops',
      value: `none: ${reason}`,
      remedy,
    });
  }
  return stream_tier === undefined ? findings : [...findings, streamFinding(stream_tier, no_stream)];
}

/** How ops are ordered with TensorFlow's work, and where they do not run on its stream, why. */
export function streamFinding(tier: number, refusal?: Absent): Finding {
  const [label, value] = ['stream', `tier ${tier}: ${TIERS[tier]}`];
  if (refusal === undefined) return { mark: 'ok', label, value };
  const { reason, remedy } = refusal;
  return { mark: 'absent', label, value: `${value}; not on its stream: ${reason}`, remedy };
}

const TIERS: Readonly<Record<number, string>> = {
  0: "ops run on TensorFlow's stream",
  1: "ops run on TensorFlow's stream",
  2: "ops and TensorFlow's work wait for each other on the GPU, and the CPU for neither",
  3: 'ops wait for the GPU before and after',
};

/** The device, and where that is the CPU of a TensorFlow with CUDA, why. */
export function deviceFinding(
  { device, cuda }: Pick<TensorflowState & { state: 'loaded' }, 'device' | 'cuda'>,
  gpus: number,
  { backend, device: wanted }: DoctorRequest,
): Finding {
  const label = 'device';
  const broken = backend === 'tensorflow' && wanted !== undefined && wanted !== device;
  if (device === 'cuda') {
    const remedy = 'hide the GPU from TensorFlow: CUDA_VISIBLE_DEVICES=';
    return broken ? { mark: 'broken', label, value: 'GPU', remedy } : { mark: 'ok', label, value: 'GPU' };
  }
  if (cuda === false && gpus > 0) {
    const value = 'CPU: a GPU is here, TensorFlow is a CPU build';
    return { mark: broken ? 'broken' : 'absent', label, value, remedy: `run: ${LINK_GPU}` };
  }
  const { reason, remedy } = whyOnCpu(cuda, gpus);
  if (broken) return { mark: 'broken', label, value: `CPU: ${reason}`, remedy };
  return { mark: 'ok', label, value: cuda ? `CPU: ${reason}` : 'CPU' };
}

function allocatorFinding({
  allocator: { kind, limit_mib },
}: TensorflowState & { state: 'loaded' }): Finding {
  const label = 'allocator';
  if (kind === 'bfc') {
    const limit = limit_mib === undefined ? 'no limit' : `up to ${limit_mib} MiB`;
    return { mark: 'ok', label, value: `keeps the memory of freed tensors, ${limit}` };
  }
  const remedy = 'unset POLYCOM_TF_ALLOCATOR and TF_CPU_ALLOCATOR_USE_BFC';
  return { mark: 'absent', label, value: "TensorFlow's default, which maps large tensors anew", remedy };
}

function byBackend(registered: Readonly<Record<string, readonly string[]>>): Map<string, string[]> {
  const backends = new Map<string, string[]>();
  for (const [op, names] of Object.entries(registered)) {
    for (const name of names) backends.set(name, [...(backends.get(name) ?? []), op]);
  }
  return backends;
}
