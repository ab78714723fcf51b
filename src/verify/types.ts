import type { Device, Dtype } from '../native/types.js';
import type { Results } from '../op/compare.js';
import type { Op, Sample } from '../op/types.js';

/** Where ops run: the C ABI driven directly, or inside tfjs-node. */
export type Backend = 'native' | 'tensorflow';

/** A backend on a device. */
export interface Host {
  readonly backend: Backend;
  readonly device: Device;
}

/** `smoke`: one shape an op, in a second; `full`: everything. */
export type Effort = 'smoke' | 'full';

/** Every output and gradient of one call, as floats. */
export type Outputs = Results<Float32Array>;

/** What runs ops on a host. */
export interface Runner {
  readonly device: Device;
  readonly ops: readonly Op[];
  readonly dtypes: readonly Dtype[];
  /** The op forward, and backward for the gradients of `upstreamOf`. */
  run(op: Op, sample: Sample): Outputs;
  /** The same in another way that must give the same bits, where there is one. */
  runAgain(op: Op, sample: Sample): Outputs;
  dispose(): void;
}

/** What a check is about: agreement with the f64 reference, the same bits again, or NaN, infinity and zero. */
export type CheckKind = 'forward' | 'backward' | 'repeat' | 'special';

/** One check, and what came of it. */
export interface CheckResult extends Host {
  /** The op's name, with ` packed` behind it for a gated one whose gate and up are one tensor. */
  readonly op: string;
  readonly kind: CheckKind;
  readonly dtype: Dtype;
  /** The shape, and what is particular about it: `3×123, order 2`. */
  readonly sample: string;
  readonly ok: boolean;
  /** forward and backward: the error's norm, and the largest that passes, in units of the terms' norm. */
  readonly error?: number;
  readonly bound?: number;
  /** What was wrong. */
  readonly message?: string | undefined;
}

/** Why there is no such host here, and what to do about it. */
export interface Absent {
  readonly reason: string;
  readonly remedy: string;
}

/** What a process that verifies a host is asked. */
export interface VerifyJob {
  readonly backend: Backend;
  /** By default the CPU natively, and in TensorFlow the device that it uses. */
  readonly device?: Device | undefined;
  readonly effort: Effort;
}

/** What it says: what it will verify, what it goes on with, what came of a check, or that the host is not there. */
export type VerifyMessage =
  | { readonly device: Device; readonly ops: readonly string[] }
  | { readonly op: string; readonly sample: string }
  | { readonly result: CheckResult }
  | { readonly absent: Absent };
