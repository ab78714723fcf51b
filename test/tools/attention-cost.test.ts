import { expect, test } from 'vitest';
import { attentionCosts, attentionTable, isAttention } from '../../tools/attention-cost.js';
import { parseSass } from '../../tools/sass.js';
import { machineCode } from './machine-code.js';

/** Tiles of bf16, 64 wide: a loop that copies, one over the scores' depth, and a branch for what is not finite. */
const TILES = `
  S2R R0, SR_TID.X
  tile:
  IADD3 R3, R3, 0x40, RZ
  copy:
  LDGSTS.E.BYPASS.128 [R2], desc[UR4][R4.64]
  IADD3 R2, R2, 0x10, RZ
  @P0 BRA copy
  BAR.SYNC.DEFER_BLOCKING 0x0
  depth:
  LDSM.16.M88.4 R8, [R2]
  HMMA.16816.F32.BF16 R4, R8, R12, R4
  @P1 BRA depth
  @P2 BRA odd
  HMMA.16816.F32.BF16 R4, R8, R12, R4
  BRA on
  odd:
  LOP3.LUT R8, R8, 0x7f80, RZ, 0xc0, !PT
  LOP3.LUT R9, R9, 0x7f80, RZ, 0xc0, !PT
  HMMA.16816.F32.BF16 R4, R8, R12, R4
  on:
  @P3 BRA tile
  EXIT
`;

test('a tile is counted by the way of finite numbers, its loops as often as they go round', () => {
  const kernel = 'attention_forward_mma_kernel<__nv_bfloat16, 64>';
  const resources = [{ kernel, sm: '90', registers: 128, shared_bytes: 0, stack_bytes: 0 }];
  const [cost] = attentionCosts([[kernel, parseSass(machineCode(TILES))[0]!]], resources as never);
  // 64 rows of 128 bytes by 128 threads: 4 copies each; the depth of 128 bytes in one round.
  expect(cost).toMatchObject({ mma: 2, instructions: 1 + 4 * 3 + 1 + 3 + 1 + 2 + 1, shared: 192 * 144 });
  const table = attentionTable([cost!]);
  expect(table).toMatch(/90 {2}attention_forward_mma_kernel<__nv_bfloat16, 64>.*H100: issue, \d+ TFLOP/);
});

test('only the kernels on tensor cores are looked at', () => {
  expect(isAttention('attention_keys_mma_kernel<float, 256, true, false>')).toBe(true);
  expect(isAttention('attention_forward_simt_kernel<float, 64, 32>')).toBe(false);
});
