import { release, type } from 'node:os';
import { describeMachine } from '../bench/machine.js';
import { runCommand } from '../common/command.js';
import type { Finding, System } from './types.js';

/** Describes the machine, Node and npm. */
export async function findSystem(): Promise<System> {
  const { os, cpu, cpus, memory_gb } = describeMachine();
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const npm = await runCommand('npm', ['--version']);
  return {
    os,
    kernel: `${type()} ${release()}`,
    ...(header?.glibcVersionRuntime === undefined ? {} : { glibc: header.glibcVersionRuntime }),
    node: process.versions.node,
    ...(npm.status === 0 ? { npm: npm.stdout.trim() } : {}),
    cpu,
    cpus,
    memory_gb,
  };
}

/** The lines about it. */
export function systemFindings({ os, kernel, glibc, node, npm, cpu, cpus, memory_gb }: System): Finding[] {
  const parts = [os, kernel, ...(glibc === undefined ? [] : [`glibc ${glibc}`])];
  return [
    { mark: 'ok', label: 'system', value: parts.join(', ') },
    { mark: 'ok', label: 'CPU', value: `${cpu}, ${cpus} CPUs, ${memory_gb} GB` },
    { mark: 'ok', label: 'Node', value: npm === undefined ? node : `${node}, npm ${npm}` },
  ];
}
