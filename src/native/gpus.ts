import { runCommand } from '../common/command.js';

/** A GPU, as nvidia-smi knows it. */
export interface Gpu {
  readonly name: string;
  /** As in `9.0`. */
  readonly compute_capability: string;
  readonly memory_mib: number;
}

/** What nvidia-smi says; no GPUs and no driver where it does not run. */
export interface Gpus {
  readonly driver?: string;
  readonly gpus: readonly Gpu[];
}

/** Asks nvidia-smi, where there is one. */
export async function findGpus(): Promise<Gpus> {
  const query = '--query-gpu=driver_version,compute_cap,memory.total,name';
  const { status, stdout } = await runCommand('nvidia-smi', [query, '--format=csv,noheader,nounits']);
  if (status !== 0) return { gpus: [] };
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(', '));
  const gpus = rows
    .filter((row) => row.length >= 4)
    .map(([, capability, memory, ...name]) => ({
      name: name.join(', '),
      compute_capability: capability!,
      memory_mib: Number(memory),
    }));
  const driver = rows[0]?.[0];
  return { ...(driver === undefined || driver === '' ? {} : { driver }), gpus };
}
