import { expect, test } from 'vitest';
import { narrowKernels, openWaits, wideAccesses } from '../../tools/ptx-vectors.js';

const ptx = `.version 9.0
.visible .entry wide(
	.param .u64 a)
{
	ld.global.nc.v4.u32 	{%r1, %r2, %r3, %r4}, [%rd1];
	st.global.wb.v4.u32 	[%rd2], {%r1, %r2, %r3, %r4};
}
.weak .entry staged(
{
	cp.async.cg.shared.global [%r1], [%rd1], 16, 16;
	st.global.v2.b64 	[%rd2], {%rd3, %rd4};
}
.visible .entry scalar(
{
	ld.global.u16 	%rs1, [%rd1];
	st.global.v2.b32 	[%rd2], {%r1, %r2};
}
`;

test('finds the kernels without 128-bit loads and stores', () => {
  expect(narrowKernels(ptx, () => ['loads', 'stores'])).toEqual([
    { kernel: 'scalar', lacks: ['loads', 'stores'] },
  ]);
  expect(narrowKernels(ptx, () => ['loads'])).toEqual([{ kernel: 'scalar', lacks: ['loads'] }]);
  expect(narrowKernels(ptx, (kernel) => (kernel === 'scalar' ? [] : ['loads', 'stores']))).toEqual([]);
});

test('knows the kernels of whole slots by their names', () => {
  const names = {
    'polynorm_backward_staged_kernel<3, __nv_bfloat16, false>': ['loads', 'stores'],
    'polynorm_forward_kernel<3, float, true, true, 4>': ['loads', 'stores'],
    'polynorm_forward_wide_kernel<3, float, true, true>': ['loads', 'stores'],
    'polynorm_forward_wide_kernel<3, float, true, false>': [],
    'elementwise_forward_kernel<polyrelu_of<3>, float, true>': ['loads', 'stores'],
    'elementwise_forward_run_kernel<polyrelu_of<3>, float>': ['loads', 'stores'],
    'elementwise_forward_kernel<gated<polyrelu_of<3>>, float, false>': [],
    'groupedpolynorm_backward_kernel<3, __half, false>': ['loads', 'stores'],
    'stream_kernel<polycom::stream_counts<2, 1>, uint4, true>': ['loads', 'stores'],
    'stream_kernel<polycom::stream_counts<2, 1>, unsigned short, true>': [],
    'rmsnorm_forward_kernel<float, true>': ['loads', 'stores'],
    'crossentropy_forward_kernel<__half>': ['loads'],
    'embedding_forward_kernel<__nv_bfloat16, 8>': ['loads', 'stores'],
    'embedding_forward_kernel<__nv_bfloat16, 1>': [],
    'embedding_join_kernel<float>': [],
    groupedpolynorm_groups_kernel: [],
  };
  for (const [name, accesses] of Object.entries(names)) expect(wideAccesses(name), name).toEqual(accesses);
});

test('a read of shared memory between a wait for copies and the barrier behind it is found', () => {
  const kernel = (name: string, ...lines: string[]): string =>
    `.visible .entry ${name}(\n{\n${lines.join('\n')}\n}\n`;
  const [begin, end, load] = ['// begin inline asm', '// end inline asm', 'ld.shared.f32 %f1, [%r1];'];
  const wait = [begin, 'cp.async.wait_group 0;', end];
  expect(
    openWaits(
      kernel('closed', ...wait, begin, end, load) +
        kernel('open', ...wait, load, begin, end) +
        kernel('branched', ...wait, 'bra.uni $L;', ...wait, '$L:', begin, end, load) +
        kernel('never', ...wait, load) +
        kernel('unread', ...wait),
    ),
  ).toEqual(['open', 'never']);
});
