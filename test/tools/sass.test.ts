import { expect, test } from 'vitest';
import {
  isDouble,
  isGpuFence,
  isLocal,
  isNarrowStore,
  isSingleConversion,
  parseInstructions,
  parseSass,
  wideAccess,
} from '../../tools/sass.js';
import { machineCode } from './machine-code.js';

test('reads the instructions of each kernel, on each architecture', () => {
  const text =
    machineCode('MOV R1, c[0x0][0x28]\n@!P0 EXIT\nNOP\n@UP1 BRA.U end\nend:\nEXIT', '_Z1av') +
    machineCode('EXIT', '_Z1bv', '100');
  expect(parseSass(text)).toEqual([
    {
      kernel: '_Z1av',
      sm: '90',
      instructions: [
        { address: 0x00, guarded: false, op: 'MOV', operands: 'R1, c[0x0][0x28]' },
        { address: 0x10, guarded: true, op: 'EXIT', operands: '' },
        { address: 0x30, guarded: true, op: 'BRA.U', operands: '0x40' },
        { address: 0x40, guarded: false, op: 'EXIT', operands: '' },
      ],
    },
    { kernel: '_Z1bv', sm: '100', instructions: [{ address: 0, guarded: false, op: 'EXIT', operands: '' }] },
  ]);
});

const one = (line: string) => parseInstructions(machineCode(line))[0]!;

test.each([
  ['LDG.E.128 R4, desc[UR4][R2.64]', { kind: 'load', bytes: 16 }],
  ['LDG.E.128.CONSTANT R4, desc[UR4][R2.64]', { kind: 'load', bytes: 16 }],
  ['LDG.E.ENL2.256 R8, R4, desc[UR4][R2.64]', { kind: 'load', bytes: 32 }],
  ['LDGSTS.E.BYPASS.128 [R6], desc[UR4][R2.64]', { kind: 'copy', bytes: 16 }],
  ['LDS.128 R4, [R2+0x10]', { kind: 'read', bytes: 16 }],
  ['STG.E.128.STRONG.SM desc[UR4][R2.64], R4', { kind: 'store', bytes: 16 }],
  ['LDG.E.64 R4, desc[UR4][R2.64+0x128]', undefined],
  ['STS.128 [R2], R4', undefined],
])('%s moves a slot or does not', (line, access) => {
  expect(wideAccess(one(line))).toEqual(access);
});

test.each([
  [isLocal, ['LDL.128 R4, [R1]', 'STL [R1+0x8], R4'], ['LDS R4, [R1]', 'LDC R1, c[0x0][0x28]']],
  [
    isDouble,
    [
      'DADD R4, R4, R6',
      'F2F.F64.F32 R4, R2',
      'F2F.F32.F64 R4, R2',
      'MUFU.RCP64H R4, R5',
      'DSETP.GEU.AND P0, PT, R2, R4, PT',
    ],
    ['FADD R4, R4, R6', 'LDC.64 R2, c[0x0][0x210]', 'MUFU.RCP R4, R5', 'DEPBAR.LE SB0, 0x1'],
  ],
  [
    isGpuFence,
    ['MEMBAR.SC.GPU', 'MEMBAR.ALL.GPU', 'MEMBAR.SC.SYS'],
    ['MEMBAR.ALL.CTA', 'BAR.SYNC.DEFER_BLOCKING 0x0'],
  ],
  [
    isSingleConversion,
    ['F2FP.BF16.F32.PACK_AB R4, RZ, R4', 'F2FP.F16.F32.PACK_AB R4, RZ, R4'],
    ['F2FP.BF16.F32.PACK_AB R4, R5, R4', 'F2FP.F16.F32.PACK_AB R4, R5, R4'],
  ],
  [
    isNarrowStore,
    ['STG.E.U16 desc[UR4][R2.64], R4', 'STG.E.64 desc[UR4][R2.64], R4', 'ST.E desc[UR4][R2.64], R4'],
    ['STG.E.128 desc[UR4][R2.64], R4', 'STS [R2], R4', 'STL [R2], R4'],
  ],
])('%o tells the instructions that it is for from others', (is, those, others) => {
  expect(those.filter((line) => !is(one(line)))).toEqual([]);
  expect(others.filter((line) => is(one(line)))).toEqual([]);
});
