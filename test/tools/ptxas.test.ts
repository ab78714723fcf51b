import { expect, test } from 'vitest';
import { parsePtx, parseResources, partOf } from '../../tools/cuobjdump.js';

test('reads registers, shared and local memory of each kernel, on each architecture', () => {
  const text = `
Fatbin elf code:
================
arch = sm_86
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function _Z1av:
  REG:62 STACK:0 SHARED:4648 LOCAL:0 CONSTANT[0]:364 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_90

Resource usage:
 Function _Z1bv:
  REG:255 STACK:88 SHARED:0 LOCAL:0 CONSTANT[0]:364 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function _Z1av:
  REG:64 STACK:0 SHARED:5672 LOCAL:0 CONSTANT[0]:364 TEXTURE:0 SURFACE:0 SAMPLER:0
`;
  expect(parseResources(text)).toEqual([
    { kernel: '_Z1av', sm: '86', registers: 62, shared_bytes: 4648, stack_bytes: 0 },
    { kernel: '_Z1bv', sm: '90', registers: 255, shared_bytes: 0, stack_bytes: 88 },
    { kernel: '_Z1av', sm: '90', registers: 64, shared_bytes: 4648, stack_bytes: 0 }, // 1 KB is the system's
  ]);
});

test('reads the PTX for each architecture', () => {
  const part = (sm: number) => `Fatbin ptx code:\n================\narch = sm_${sm}\n\n.entry _Z1av(`;
  expect(parsePtx(`\nFatbin elf code:\narch = sm_90\n${part(100)}\n${part(120)}`)).toMatchObject([
    { sm: '100', text: expect.stringContaining('.entry') },
    { sm: '120', text: expect.stringContaining('.entry') },
  ]);
});

test('a record tells of some architectures what a table of those alone does', () => {
  const row = (name: string, ...cells: string[]) =>
    `${name.padEnd(8)}${cells.map((cell) => cell.padStart(18)).join('')}\n`;
  const all = `nvcc\n${row('kernel', 'sm_80', 'sm_90', 'sm_120')}${row('a', '1/0', '2/0', '3/0 +8+4')}legend`;
  expect(partOf(all, ['90', '120'])).toBe(
    `nvcc\n${row('kernel', 'sm_90', 'sm_120')}${row('a', '2/0', '3/0 +8+4')}legend`,
  );
  expect(partOf(all, ['80', '90', '120'])).toBe(all);
  const lines = 'nvcc\nsm   pass\n80   forward\n90   forward\nblocks, warps\n';
  expect(partOf(lines, ['90'])).toBe('nvcc\nsm   pass\n90   forward\nblocks, warps\n');
});
