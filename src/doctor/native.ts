import { runProbe } from '../common/probe.js';
import { libraryCandidates } from '../native/find.js';
import { whyNoKernels } from './gpu.js';
import type { DoctorRequest, Facts, Finding, NativeState } from './types.js';

/** Loads the native library in a process of its own. */
export async function findNativeState(timeout: number): Promise<NativeState> {
  let state: NativeState | undefined;
  const onMessage = (message: NativeState): void => {
    state = message;
  };
  const failure = await runProbe(import.meta.url, 'native-probe', {}, { timeout, onMessage });
  if (failure === undefined && state !== undefined) return state;
  return {
    state: 'broken',
    reason: `loading ${libraryCandidates()[0] ?? 'the native library'} ${failure}`,
    remedy: process.env.POLYCOM_LIBRARY
      ? 'correct or unset POLYCOM_LIBRARY'
      : 'build it again: npx polycom build; if that does not help, report this',
  };
}

/** The lines about it. */
export function nativeFindings(
  { native, tools }: Pick<Facts, 'native' | 'tools'>,
  request: DoctorRequest,
): Finding[] {
  if (native.state !== 'loaded') {
    const { reason, remedy, state } = native;
    const wanted = request.backend === 'native' || request.device !== undefined;
    return [{ mark: wanted ? 'broken' : state, label: 'library', value: reason, remedy }];
  }
  const { path, build, addon } = native;
  const { version, cuda, cuda_architectures, simd, cpus } = build;
  return [
    { mark: 'ok', label: 'library', value: path },
    { mark: 'ok', label: 'version', value: version },
    addon === undefined
      ? { mark: 'ok', label: 'addon', value: 'loads' }
      : { mark: 'absent', label: 'addon', value: addon.reason, remedy: addon.remedy },
    { mark: 'ok', label: 'CPU kernels', value: `${simd}, up to ${cpus} threads` },
    cuda
      ? { mark: 'ok', label: 'CUDA kernels', value: cuda_architectures.split(/[,;]/).join(', ') }
      : { mark: 'absent', label: 'CUDA kernels', ...whyNoKernels('none', native, tools) },
  ];
}
