import type { Machine } from '../bench/types.js';

/** A name and its value, for people. */
export type Entry = readonly [name: string, value: string];

/** What a page says of where and how it was measured. */
export interface Setting {
  /** ISO 8601. */
  readonly date: string;
  readonly commit?: string | undefined;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
}

/** The fields of a machine for people, in the order in which they are read, each with its unit. */
const MACHINE: Readonly<Record<keyof Machine, readonly [name: string, unit: string]>> = {
  cpu: ['CPU', ''],
  cpus: ['cores', ''],
  simd: ['instruction set', ''],
  cache_mb: ['cache of the CPU', ' MiB'],
  memory_gb: ['memory', ' GB'],
  os: ['system', ''],
  gpu: ['GPU', ''],
  gpu_driver: ['driver of the GPU', ''],
  gpu_memory_gb: ['memory of the GPU', ' GB'],
  gpu_l2_mb: ['L2 cache of the GPU', ' MiB'],
  gpu_sms: ['multiprocessors of the GPU', ''],
  tf_allocator: ["TensorFlow's CPU allocator", ''],
  tf_onednn: ['oneDNN in TensorFlow', ''],
};

const VERSIONS: Readonly<Record<string, string>> = {
  node: 'Node.js',
  tensorflow: 'TensorFlow',
  tfjs: 'TensorFlow.js',
  pytorch: 'PyTorch',
  python: 'Python',
  cuda: 'CUDA',
  triton: 'Triton',
};

/** When, at which commit, on what and with what: names and values for people. */
export function settingList({ date, commit, machine, versions }: Setting): Entry[] {
  const known = Object.entries(MACHINE).flatMap(([key, [name, unit]]): Entry[] => {
    const value = machine[key as keyof Machine];
    return value === undefined ? [] : [[name, `${value}${unit}`]];
  });
  return [
    ['date', `${date.slice(0, 16).replace('T', ' ')} UTC`],
    ['commit', commit ?? 'no checkout'],
    ...known,
    ...Object.entries(versions).map(([name, version]): Entry => [VERSIONS[name] ?? name, version]),
  ];
}
