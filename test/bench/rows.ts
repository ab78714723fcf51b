import type { BenchDocument, Row } from '../../src/bench/types.js';

/** A right row, of whatever the test at hand cares for. */
export function row(of: Partial<Row> = {}): Row {
  return {
    op: 'polynorm',
    label: 'PolyNorm',
    pass: 'forward',
    rows: 4096,
    cols: 8256,
    dtype: 'f32',
    device: 'cpu',
    backend: 'native',
    variant: 'fused',
    ms_p20: 9,
    ms_p50: 10,
    ms_p80: 11,
    gb_per_s: 27.05,
    ok: true,
    ...of,
  };
}

/** A row that was wrong. */
export function failedRow(of: Partial<Row> = {}): Row {
  const { ms_p20: _20, ms_p50: _50, ms_p80: _80, gb_per_s: _rate, ...identity } = row(of);
  return { ...identity, ok: false, failure: 'y is off by 1.0e-1 of its terms’ norm' };
}

/** Rows of an op beside PyTorch: faster, slower than one way of its, and a wrong one. */
export function peerRows(): Row[] {
  const [compiled, eager] = [
    { backend: 'pytorch', variant: 'peer:pytorch-compiled' },
    { backend: 'pytorch', variant: 'peer:pytorch-eager' },
  ] as const;
  const silu = { op: 'silu', label: 'SiLU' };
  return [
    row(),
    row({ ...compiled, ms_p50: 52 }),
    row({ ...eager, ms_p50: 390 }),
    row(silu),
    failedRow({ ...silu, ...compiled }),
    row({ ...silu, ...eager, ms_p50: 8 }),
    row({ pass: 'forward_backward', ms_p50: 20 }),
    row({ ...compiled, pass: 'forward_backward', ms_p50: 60 }),
    row({
      op: 'copy',
      label: 'copy',
      pass: 'copy',
      variant: 'copy',
      backend: 'pytorch',
      method: 'torch copy_',
    }),
  ];
}

/** A document of these rows. */
export function documentOf(results: readonly Row[], of: Partial<BenchDocument> = {}): BenchDocument {
  return {
    schema: 1,
    bench: 'activations',
    date: '2026-01-02T03:04:05.678Z',
    commit: '0123456789ab',
    command: 'npx polycom bench activations',
    machine: { cpu: 'A <fast> CPU', cpus: 2, memory_gb: 24, os: 'Linux x64', cache_mb: 32 },
    versions: { polycom: '0.1.0', node: '24.0.0' },
    notes: ['a note'],
    results,
    ...of,
  };
}

/** Rows of every kind: driven directly, in tfjs-node, small, with other allocators, a copy, a failure. */
export function everyKind(): Row[] {
  const inHost = { backend: 'tensorflow', allocator: 'bfc' } as const;
  const small = { rows: 32, cols: 64, ms_p20: 0.01, ms_p50: 0.012, ms_p80: 0.02 };
  const direct = [
    row({ of_copy: 0.92 }),
    row({ pass: 'backward', of_copy: 0.71 }),
    row({ rows: 2048, cols: 5632, of_copy: 1.05 }),
    row({ op: 'copy', label: 'copy', pass: 'copy', variant: 'copy', method: 'memcpy' }),
  ];
  const hosted = [
    row({ ...inHost, of_copy: 0.8, vs_reference: 21.4, vs_stock: 1.2 }),
    row({ ...inHost, variant: 'reference', ms_p50: 214, vs_stock: 0.05 }),
    row({ ...inHost, op: 'relu', label: 'tf.relu', variant: 'stock', ms_p50: 12 }),
    row({ ...inHost, pass: 'forward_backward', vs_reference: 49, vs_stock: 8.6 }),
    row({ ...inHost, ...small, vs_reference: 40 }),
    row({ ...inHost, allocator: 'default', ms_p50: 48 }),
    failedRow({ ...inHost, op: 'broken', label: 'Broken & wrong' }),
  ];
  return [...direct, ...hosted];
}
