import { expectedOf } from '../fused/expected.js';
import type { OpSample, TransformerOp } from '../fused/types.js';
import { BOUND, errorOf, sameBits } from '../op/compare.js';
import type { Sums } from '../op/reference.js';
import { type Finding, measured, type Step, stepOf, worstOf } from './checks.js';
import type { Effort, Host, Runner } from './types.js';

/** Every check of a transformer's op on a host: all its samples against the reference, and the same bits again. */
export function transformerSteps(op: TransformerOp, host: Host, runner: Runner, effort: Effort): Step[] {
  const samples = op.samples();
  const step = (sample: OpSample, about: string, check: () => Finding[]): Step =>
    stepOf({ op: op.name, ...host, dtype: 'f32', sample: `${sample.title}${about}` }, check);
  const parity = (sample: OpSample): Step => step(sample, '', () => compare(op, sample, runner));
  if (effort === 'smoke') return [parity(largest(samples))];
  const repeated = largest(samples);
  return [...samples.map(parity), step(repeated, ', again', () => repeat(op, repeated, runner))];
}

/** The first with the most elements: among the samples are some of none. */
function largest(samples: readonly OpSample[]): OpSample {
  const sizeOf = ({ tensors }: OpSample): number =>
    Object.values(tensors).reduce((sum, { values }) => sum + values.length, 0);
  return samples.reduce((a, b) => (sizeOf(b) > sizeOf(a) ? b : a));
}

function compare(op: TransformerOp, sample: OpSample, runner: Runner): Finding[] {
  const wanted = expectedOf(op, sample);
  const got = runner.runTransformer(op, sample);
  const worst = (names: readonly string[], values: readonly Float32Array[], sums: readonly Sums[]) =>
    worstOf(names.map((name, i) => measured(name, errorOf(values[i]!, sums[i]!), BOUND)));
  const gradients = op.gradients.map((name) => `d${name}`);
  return [
    { kind: 'forward', ...worst(op.outputs, got.outputs, wanted.outputs) },
    { kind: 'backward', ...worst(gradients, got.gradients, wanted.gradients) },
  ];
}

function repeat(op: TransformerOp, sample: OpSample, runner: Runner): Finding[] {
  const [first, again] = [runner.runTransformer(op, sample), runner.runTransformer(op, sample)];
  const pairs = (['outputs', 'gradients'] as const).flatMap((of) => {
    return first[of].map((values, i) => [values, again[of][i]!] as const);
  });
  if (pairs.every(([a, b]) => sameBits(a, b))) return [{ kind: 'repeat' }];
  return [{ kind: 'repeat', message: 'a second run gave other bits' }];
}
