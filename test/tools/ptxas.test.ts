import { expect, test } from 'vitest';
import { parsePtxas } from '../../tools/ptxas-output.js';

test('reads registers, shared memory, stack and spills of each kernel', () => {
  const text = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z1av' for 'sm_90'
ptxas info    : Function properties for _Z1av
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 62 registers, used 1 barriers, 4648 bytes smem
ptxas info    : Compiling entry function '_Z1bv' for 'sm_120'
ptxas info    : Function properties for _Z1bv
    88 bytes stack frame, 40 bytes spill stores, 44 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers
`;
  expect(parsePtxas(text)).toEqual([
    { kernel: '_Z1av', sm: '90', registers: 62, shared_bytes: 4648, stack_bytes: 0, spill_bytes: 0 },
    { kernel: '_Z1bv', sm: '120', registers: 255, shared_bytes: 0, stack_bytes: 88, spill_bytes: 84 },
  ]);
});
