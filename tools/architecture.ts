import { spawnSync } from 'node:child_process';

/** The CUDA architecture of this machine's first GPU, as CMake names it: `90-real`; undefined where there is none. */
export function localArchitecture(): string | undefined {
  const smi = spawnSync('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'], {
    encoding: 'utf8',
  });
  const capability = /^(\d+)\.(\d)/.exec(smi.stdout ?? '');
  return capability === null ? undefined : `${capability[1]}${capability[2]}-real`;
}
