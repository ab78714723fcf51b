import { boundOf, errorOf, expected, sameBits, sameKind } from '../op/compare.js';
import type { Sums } from '../op/sums.js';
import { dtypeOf, gradientNames, type Op, type Sample } from '../op/types.js';
import type { CheckKind, CheckResult, Effort, Host, Runner } from './types.js';

/** A few checks that one sample serves. */
export interface Step {
  /** What it looks at: `3×123 f32, order 2`. */
  readonly sample: string;
  run(): CheckResult[];
}

/** What a check finds: what is wrong, if anything is, and the figures of it. */
export interface CheckFinding {
  readonly kind: CheckKind;
  readonly message?: string | undefined;
  readonly error?: number;
  readonly bound?: number;
}

/** Every check of an op on a host, in the order in which they are made. */
export function stepsOf(op: Op, host: Host, runner: Runner, effort: Effort): Step[] {
  const samples = op.samples().filter(({ dtype = 'f32' }) => runner.dtypes.includes(dtype));
  const step = (sample: Sample, about: string, check: () => CheckFinding[]): Step => {
    const identity = {
      op: checkedName(op),
      ...host,
      dtype: sample.dtype ?? 'f32',
      sample: `${sample.title}${about}`,
    };
    return {
      sample: identity.sample,
      run: () => attempt(check).map((found) => ({ ...identity, ...found })),
    };
  };
  const judged = (sample: Sample): Step => step(sample, '', () => judge(op, sample, runner));
  const largest = largestOf(samples.filter(({ special }) => special === undefined));
  if (effort === 'smoke') return [judged(largest)];
  return [...samples.map(judged), step(largest, ', again', () => repeat(op, largest, runner))];
}

/** The first with the most elements: among the samples are some of none. */
function largestOf(samples: readonly Sample[]): Sample {
  const sizeOf = ({ tensors }: Sample): number =>
    Object.values(tensors).reduce((sum, { values }) => sum + values.length, 0);
  return samples.reduce((a, b) => (sizeOf(b) > sizeOf(a) ? b : a));
}

/** The name of an op in results. */
export function checkedName({ name, packed }: Op): string {
  return packed ? `${name} packed` : name;
}

/** An error is a finding too. */
function attempt(check: () => CheckFinding[]): (CheckFinding & Pick<CheckResult, 'ok'>)[] {
  try {
    return check().map((found) => ({ ...found, ok: found.message === undefined }));
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
    return [{ kind: 'forward', ok: false, message }];
  }
}

function judge(op: Op, sample: Sample, runner: Runner): CheckFinding[] {
  if (sample.special === 'odd') return [{ kind: 'special', message: spread(op, sample, runner) }];
  if (sample.special === 'huge') return [{ kind: 'special', message: overflow(op, sample, runner) }];
  const [got, wanted] = [runner.run(op, sample), expected(op, sample)];
  const compare = (name: string, values: Float32Array, sums: Sums, of: string) =>
    measured(name, errorOf(values, sums), boundOf(sums, dtypeOf(op, of, sample)));
  const outputs = op.outputs.map((name, i) => compare(name, got.outputs[i]!, wanted.outputs[i]!, name));
  const gradients = op.gradients.map((name, i) =>
    compare(`d${name}`, got.gradients[i]!, wanted.gradients[i]!, name),
  );
  const [forward, backward] = [worstOf(outputs), worstOf(gradients)];
  if (sample.special === 'zeros') return [{ kind: 'special', message: forward.message ?? backward.message }];
  return [
    { kind: 'forward', ...forward },
    { kind: 'backward', ...backward },
  ];
}

/** An error with its bound, and what to say if it is larger. */
function measured(
  name: string,
  error: number,
  bound: number,
): { message: string | undefined; error: number; bound: number } {
  const message =
    error <= bound
      ? undefined
      : `${name} is off by ${error.toExponential(1)} of its terms' norm; expected at most ${bound.toExponential(1)}`;
  return { message, error, bound };
}

/** The one that is nearest to its bound, or furthest beyond it. */
function worstOf<T extends { readonly error: number; readonly bound: number }>(found: readonly T[]): T {
  return found.reduce((a, b) => (b.error / b.bound > a.error / a.bound ? b : a));
}

function repeat(op: Op, sample: Sample, runner: Runner): CheckFinding[] {
  const first = runner.run(op, sample);
  const again = [runner.run(op, sample), runner.runAgain(op, sample)];
  const same = (['outputs', 'gradients'] as const).every((of) =>
    again.every((other) => first[of].every((values, i) => sameBits(values, other[of][i]!))),
  );
  return [{ kind: 'repeat', message: same ? undefined : 'a second run gave other bits' }];
}

/** The complaint if NaN and infinity reach other elements of outputs and matrices' gradients than in the reference. */
function spread(op: Op, sample: Sample, runner: Runner): string | undefined {
  const [got, wanted] = [runner.run(op, sample), expected(op, sample)];
  const names = [...op.outputs, ...gradientNames(op.gradients)];
  const sums = [...wanted.outputs, ...wanted.gradients];
  for (const [i, values] of [...got.outputs, ...got.gradients].entries()) {
    const of = op.gradients[i - op.outputs.length];
    if (of !== undefined && op.parameters[of] !== undefined) continue;
    const { value } = sums[i]!;
    const at = value.findIndex((right, j) => !sameKind(right, values[j]!));
    if (at >= 0) return `${names[i]}[${at}] is ${values[at]}; expected ${value[at]}`;
  }
  return undefined;
}

/** The complaint if finite input gives NaN, or a wrong result where f32 holds the right one. */
function overflow(op: Op, sample: Sample, runner: Runner): string | undefined {
  const [y] = runner.run(op, sample).outputs;
  if (y!.some(Number.isNaN)) return 'finite input gave NaN';
  const wanted = expected(op, sample).outputs[0]!;
  const fits = wanted.terms.every((value) => Math.abs(Math.fround(value)) < Number.POSITIVE_INFINITY);
  return fits ? measured(op.outputs[0]!, errorOf(y!, wanted), boundOf(wanted, 'f32')).message : undefined;
}
