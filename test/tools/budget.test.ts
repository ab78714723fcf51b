import { expect, test } from 'vitest';
import { type Cost, complaints, costOf, type Target, targets } from '../../tools/budget.js';
import { type Budget, budgets, COUNTED, gpus, type Miss } from '../../tools/budget-table.js';
import { borrowedBounds, boundOn, boundText, budgetTable } from '../../tools/budget-text.js';
import { partOf } from '../../tools/cuobjdump.js';
import type { Choice } from '../../tools/occupancy.js';
import { parseSass } from '../../tools/sass.js';
import { machineCode } from './machine-code.js';

const silu: Budget = { op: 'silu', pass: 'forward', formula: 'silu', most: 1 };
const roomy = { blocks: 4, warps: 32, in_flight: 64 << 10 };

/** A kernel that keeps to its budget: 8 instructions for 8 elements of bf16. */
const GOOD = `
  LDG.E R0, desc[UR4][R2.64]
  loop:
  LDG.E.128 R4, desc[UR4][R2.64]
  IMAD.U32 R8, R4, 0x10000, RZ
  FMUL R8, R8, R0
  F2FP.BF16.F32.PACK_AB R4, R9, R8
  MEMBAR.ALL.CTA
  STG.E.128 desc[UR4][R2.64], R4
  IADD3 R2, R2, 0x10, RZ
  @P0 BRA loop
  MEMBAR.SC.GPU
  EXIT
`;

function target(parts: Partial<Target> = {}): Target {
  const walk = { rounds: true, reads: 1, writes: 1 };
  return {
    budget: silu,
    dtype: 'bf16',
    sm: '90',
    kernel: 'k',
    walk,
    resident: roomy,
    inRegisters: true,
    ...parts,
  };
}

const costIn = (code: string, parts?: Partial<Target>): Cost =>
  costOf(target(parts), parseSass(machineCode(code))[0]!);
const faultsIn = (code: string, parts?: Partial<Target>): string[] => [...costIn(code, parts).faults.keys()];

test('counts instructions and bytes an element, by what a thread stores', () => {
  expect(costIn(GOOD)).toMatchObject({ instructions: 1, bytes: 4, faults: new Map() });
  const once = { walk: { rounds: false, reads: 1, writes: 1 } };
  expect(costIn(GOOD, once)).toMatchObject({ instructions: 11 / 8 });
  expect(costIn(GOOD, { dtype: 'f32' })).toMatchObject({ instructions: 2, bytes: 8 });
  const twoOut = { walk: { rounds: true, reads: 3, writes: 2 } };
  expect(costIn(GOOD, twoOut)).toMatchObject({ instructions: 2, bytes: 10 });
});

const inLoop = (line: string): string => GOOD.replace('MEMBAR.ALL.CTA', line);

test.each([
  ['instructions', inLoop('FADD R8, R8, R0\nFADD R8, R8, R0')],
  ['local memory', GOOD.replace('LDG.E R0', 'LDL R0, [R1]\nLDG.E R0')],
  ['128-bit accesses', inLoop('STG.E.U16 desc[UR4][R2.64], R4')],
  ['128-bit accesses', GOOD.replace('LDG.E.128', 'LDG.E.64')],
  ['double', inLoop('DADD R4, R4, R6')],
  ['conversions in pairs', inLoop('F2FP.BF16.F32.PACK_AB R4, RZ, R8')],
  ['fence', inLoop('MEMBAR.SC.GPU')],
])('sees a fault: %s', (check, code) => {
  expect(faultsIn(code)).toEqual([check]);
  expect(faultsIn(code, { sm: '89' })).toEqual([]); // counted, and not judged
});

test.each([
  [{ ...roomy, blocks: 1 }, true],
  [{ ...roomy, warps: 15 }, true],
  [{ ...roomy, in_flight: 32767 }, true],
  [{ blocks: 2, warps: 64 }, false], // as many bytes as are loaded: 64 warps, 16 a thread
  [{ blocks: 2, warps: 63 }, true],
])('sees that too little is resident: %o', (resident, few) => {
  expect(faultsIn(GOOD, { resident })).toEqual(few ? ['residency'] : []);
});

test('warps count where rows are in registers alone', () => {
  expect(faultsIn(GOOD, { resident: { ...roomy, warps: 8 }, inRegisters: false })).toEqual([]);
});

test('a second tensor is loaded in whole slots too', () => {
  const gated = { walk: { rounds: true, reads: 2, writes: 1 } };
  expect(faultsIn(GOOD, gated)).toEqual(['128-bit accesses']);
  expect(faultsIn(inLoop('LDG.E.128 R4, desc[UR4][R2.64]'), gated)).toEqual([]);
});

test('f32 has 1.3 times the budget', () => {
  const budget = { ...silu, most: 1.53 };
  expect(faultsIn(GOOD, { dtype: 'f32', budget })).toEqual(['instructions']);
  expect(faultsIn(GOOD, { dtype: 'f32', budget: { ...silu, most: 1.54 } })).toEqual([]);
});

const slow = inLoop('FADD R8, R8, R0\nFADD R8, R8, R0'); // 9 / 8 instructions
const withMisses = (...misses: Miss[]): Budget => ({ ...silu, misses });
const why = { reason: 'because', tried: 'all' };

test('complains of what the table does not explain, of what grew beyond it, and of what it explains no longer', () => {
  const complaintsOf = (budget: Budget, code: string): string[] =>
    complaints([costIn(code, { budget })], [budget]);
  expect(complaintsOf(silu, GOOD)).toEqual([]);
  expect(complaintsOf(silu, slow)).toEqual([
    'SiLU forward bf16 (sm_90): instructions: 1.13, and at most 1.0',
  ]);
  expect(complaintsOf(withMisses({ check: 'instructions', most: 1.2, ...why }), slow)).toEqual([]);
  expect(complaintsOf(withMisses({ check: 'instructions', most: 1.1, ...why }), slow)).toHaveLength(1);
  expect(complaintsOf(withMisses({ check: 'instructions', dtype: 'f32', ...why }), slow)).toHaveLength(2);
  expect(complaintsOf(withMisses({ check: 'double', ...why }), GOOD)).toEqual([
    expect.stringContaining('SiLU forward: double: '),
  ]);
  // Rows share misses, and each is seen for itself.
  const shared: Miss = { check: 'instructions', ...why };
  const table = [withMisses(shared), withMisses(shared)];
  const costs = [costIn(slow, { budget: table[0]! }), costIn(GOOD, { budget: table[1]! })];
  expect(complaints(costs, table)).toHaveLength(1);
});

test('bounds are by the bytes and by the instructions of warps', () => {
  const h100 = gpus.find(({ name }) => name === 'H100')!;
  const cost = { bytes: 4, instructions: 16 };
  const { memory, issue } = boundOn(h100, cost);
  expect(memory).toBeCloseTo(4 / 3.35e12, 18);
  expect(issue).toBeCloseTo(16 / 32 / (132 * 4 * 1.98e9), 18);
  expect(boundText(h100, cost)).toBe('memory, issue  40 %');
  expect(boundText(h100, { bytes: 4, instructions: 80 })).toBe('issue, memory  50 %');
});

test('the record has a line a kernel, what is missed and why, and keeps the lines of some architectures', () => {
  const budget = withMisses({ check: 'instructions', ...why });
  const costs = ['89', '90', '100'].map((sm) => costIn(slow, { sm, budget }));
  const text = budgetTable(costs);
  expect(text).toContain('90   SiLU forward bf16          1.13   1.0     4      4    32  H100: memory');
  expect(text).toContain('instructions: 1.13, and at most 1.0: because; tried: all\n');
  expect(partOf(text, ['90', '100'])).toBe(budgetTable(costs.slice(1)));
  expect(borrowedBounds(costs)).toBe('');
  expect(borrowedBounds(costs.slice(1))).toMatch(
    /^RTX 4090, by the counts of sm_90.*\n {2}SiLU forward bf16: bound by memory/,
  );
});

test('the kernels of the table: how many tensors each reads and writes, and which of them go round', () => {
  const elementwise = budgets.flatMap((budget) => ('formula' in budget ? [budget] : []));
  const kernels = elementwise.flatMap(({ formula, short = formula, pass }) =>
    [`${short}, __nv_bfloat16`, `${formula}, float`].map((types) => ({
      kernel: `elementwise_${pass}_run_kernel<${types}>`,
      ...{ sm: '90', registers: 64, shared_bytes: 0, stack_bytes: 0 },
    })),
  );
  const mapped = (['forward', 'backward', 'gated_forward', 'gated_backward'] as const).flatMap((pass) =>
    (['bf16', 'f32'] as const).map((dtype) => ({
      ...{ sm: '90', cols: 4096, registers: 64, blocks: 4, warps: 16, bytes_in_flight: 65_536 },
      ...{ pass, dtype, kernel: `${pass} ${dtype}` },
      mapping: {
        path: dtype === 'f32' ? 'staged' : 'block',
        launch: { threads: 128, slots: 4, shared_bytes: 0 },
      },
    })),
  ) as unknown as Choice[];
  const found = targets(budgets, '90', kernels, mapped);
  expect(found).toHaveLength(2 * budgets.length);
  const walkOf = (op: string, pass: string, dtype: string) =>
    found.find((one) => one.budget.op === op && one.budget.pass === pass && one.dtype === dtype)!.walk;
  expect(walkOf('polyrelu', 'forward', 'bf16')).toEqual({ rounds: false, reads: 1, writes: 1 });
  expect(walkOf('polyrelu', 'backward', 'f32')).toEqual({ rounds: true, reads: 2, writes: 1 });
  expect(walkOf('swiglu', 'forward', 'bf16')).toEqual({ rounds: false, reads: 2, writes: 1 });
  expect(walkOf('swiglu', 'backward', 'bf16')).toEqual({ rounds: true, reads: 3, writes: 2 });
  expect(walkOf('polynorm', 'forward', 'bf16')).toEqual({ rounds: true, reads: 1, writes: 1 });
  expect(walkOf('polynorm', 'backward', 'f32')).toEqual({ rounds: true, reads: 2, writes: 1, slots: 4 });
  expect(walkOf('polynormglu', 'backward', 'bf16')).toEqual({ rounds: true, reads: 3, writes: 2 });
  expect(() => targets(budgets, '100', kernels, mapped)).toThrow('there is no');
});

test('every GPU runs code that is counted', () => {
  for (const { name, sm } of gpus) expect(COUNTED, name).toContain(sm);
});
