import { boundOf, errorOf, expected, gradientDtype, sameBits } from '../op/compare.js';
import { isMatrix, type Sample, type SampleOptions, sampleOf, scalarValues } from '../op/sample.js';
import type { FusedOp } from '../op/types.js';
import type { CheckKind, CheckResult, Effort, Host, Outputs, Runner } from './types.js';

/** A few checks that one sample serves. */
export interface Step {
  /** What it looks at: `3×123 f32, order 2`. */
  readonly sample: string;
  run(): CheckResult[];
}

/** A step whose checks have the identity of an op on a host. */
export function stepOf(identity: Omit<CheckResult, keyof Finding | 'ok'>, check: () => Finding[]): Step {
  return {
    sample: identity.sample,
    run: () => attempt(check).map((found) => ({ ...identity, ...found })),
  };
}

/** What a check finds: what is wrong, if anything is, and the figures of it. */
export interface Finding {
  readonly kind: CheckKind;
  readonly message?: string | undefined;
  readonly error?: number;
  readonly bound?: number;
}

const WIDTHS = [1, 7, 123, 8191, 8256];
const ORDERS = [1, 2, 4];
const ODD = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Every check of an op on a host, in the order in which they are made. */
export function stepsOf(op: FusedOp, host: Host, runner: Runner, effort: Effort): Step[] {
  const step: MakeStep = (shape, options, about, check) => {
    const sample = sampleOf(op, shape[0], shape[1], options);
    const name = `${sample.rows}×${sample.cols} ${sample.dtype}${about === '' ? '' : `, ${about}`}`;
    const identity = { op: opName(op), ...host, dtype: sample.dtype, sample: name };
    return stepOf(identity, () => check(sample));
  };
  const parity = (sample: Sample) => compare(op, sample, runner.run(op, sample));
  if (effort === 'smoke') return [step([3, 123], {}, '', parity)];
  return [
    ...WIDTHS.flatMap((cols) => [1, 5].map((rows) => step([rows, cols], { seed: cols }, '', parity))),
    ...[1e-12, 1e-3, 1e4].map((scale) => step([4, 300], { scale }, `standard deviation ${scale}`, parity)),
    ...variants(op).map(([about, options]) => step([3, 123], options, about, parity)),
    ...runner.dtypes
      .filter((dtype) => dtype !== 'f32')
      .flatMap((dtype) => [7, 8191].map((cols) => step([3, cols], { dtype }, '', parity))),
    step([64, 777], {}, '', (sample) => repeat(op, sample, runner)),
    step([3, 130], {}, 'rows of zeros', (sample) => zeros(op, sample, runner)),
    ...ODD.map((odd) => step([3, 40], {}, `one ${odd}`, (sample) => oddValue(op, sample, runner, odd))),
    ...[1e7, 1e20].map((scale) =>
      step([3, 130], { scale }, `standard deviation ${scale}`, (sample) => huge(op, sample, runner)),
    ),
  ];
}

type MakeStep = (
  shape: readonly [rows: number, cols: number],
  options: SampleOptions,
  about: string,
  check: (sample: Sample) => Finding[],
) => Step;

/** The orders and scalars of an op that are not the default. */
function variants(op: FusedOp): (readonly [string, SampleOptions])[] {
  const orders = op.inputs.includes('weight') ? ORDERS : [];
  return [
    ...orders.map((order) => [`order ${order}`, { order }] as const),
    ...op.scalars.flatMap((name) =>
      scalarValues(name)
        .slice(1)
        .map((value) => [`${name} ${value}`, { scalars: { [name]: value } }] as const),
    ),
  ];
}

/** The name of an op in results. */
export function opName({ name, packed }: FusedOp): string {
  return packed ? `${name} packed` : name;
}

/** An error is a finding too. */
function attempt(check: () => Finding[]): (Finding & Pick<CheckResult, 'ok'>)[] {
  try {
    return check().map((found) => ({ ...found, ok: found.message === undefined }));
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
    return [{ kind: 'forward', ok: false, message }];
  }
}

function compare(op: FusedOp, sample: Sample, { y, gradients }: Outputs): Finding[] {
  const wanted = expected(op, sample);
  const backward = op.inputs.map((name, i) => {
    const sums = wanted.gradients[i]!;
    return measured(`d${name}`, errorOf(gradients[i]!, sums), boundOf(sums, gradientDtype(name, sample)));
  });
  const worst = worstOf(backward);
  const forward = measured('y', errorOf(y, wanted.y), boundOf(wanted.y, sample.dtype));
  return [
    { kind: 'forward', ...forward },
    { kind: 'backward', ...worst },
  ];
}

/** An error with its bound, and what to say if it is larger. */
export function measured(
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
export function worstOf<T extends { readonly error: number; readonly bound: number }>(
  found: readonly T[],
): T {
  return found.reduce((a, b) => (b.error / b.bound > a.error / a.bound ? b : a));
}

function repeat(op: FusedOp, sample: Sample, runner: Runner): Finding[] {
  const first = runner.run(op, sample);
  for (const again of [runner.run(op, sample), runner.runAgain(op, sample)]) {
    const pairs = [
      [first.y, again.y],
      ...first.gradients.map((gradient, i) => [gradient, again.gradients[i]!]),
    ];
    if (pairs.every(([a, b]) => sameBits(a!, b!))) continue;
    return [{ kind: 'repeat', message: 'a second run gave other bits' }];
  }
  return [{ kind: 'repeat' }];
}

function zeros(op: FusedOp, sample: Sample, runner: Runner): Finding[] {
  for (const name of op.inputs.filter(isMatrix)) sample.tensors[name]!.fill(0);
  const found = compare(op, sample, runner.run(op, sample));
  return [{ kind: 'special', message: found.find(({ message }) => message !== undefined)?.message }];
}

/** NaN and infinity reach what they reach in the reference, and nothing else. */
function oddValue(op: FusedOp, sample: Sample, runner: Runner, odd: number): Finding[] {
  sample.tensors[op.inputs[0]!]![sample.cols + 7] = odd;
  const got = runner.run(op, sample);
  const wanted = expected(op, sample);
  const pairs = [
    ['y', got.y, wanted.y.value],
    ...op.inputs
      .map((name, i) => [name, got.gradients[i]!, wanted.gradients[i]!.value] as const)
      .filter(([name]) => isMatrix(name))
      .map(([name, values, sums]) => [`d${name}`, values, sums] as const),
  ] as const;
  for (const [name, values, sums] of pairs) {
    const at = sums.findIndex((value, i) => Number.isFinite(value) !== Number.isFinite(values[i]!));
    if (at >= 0)
      return [{ kind: 'special', message: `${name}[${at}] is ${values[at]}; expected ${sums[at]}` }];
  }
  return [{ kind: 'special' }];
}

/** Finite input gives no NaN; and the right result, where f32 holds it. */
function huge(op: FusedOp, sample: Sample, runner: Runner): Finding[] {
  const { y } = runner.run(op, sample);
  if (y.some(Number.isNaN)) return [{ kind: 'special', message: 'finite input gave NaN' }];
  const wanted = expected(op, sample).y;
  const fits = wanted.terms.every((value) => Math.abs(Math.fround(value)) < Number.POSITIVE_INFINITY);
  if (!fits) return [{ kind: 'special' }];
  return [{ kind: 'special', message: measured('y', errorOf(y, wanted), boundOf(wanted, 'f32')).message }];
}
