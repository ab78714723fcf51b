import type { Gpus } from '../native/gpus.js';
import type { Tool } from '../native/tools.js';
import type { BuildInfo, Device } from '../native/types.js';
import type { TensorflowSource } from '../tensorflow/link/types.js';
import type { HostReport } from '../verify/run.js';
import type { Absent, Backend } from '../verify/types.js';

/** What the user counts on: it is an error if that is missing. Everything else may be. */
export interface DoctorRequest {
  readonly device?: Device | undefined;
  readonly backend?: Backend | undefined;
}

/** The machine and what Node runs on. */
export interface System {
  readonly os: string;
  readonly kernel: string;
  /** Absent on systems with another C library. */
  readonly glibc?: string;
  readonly node: string;
  readonly npm?: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memory_gb: number;
}

/** The folder where what is built and linked is kept. */
export interface Cache {
  readonly folder: string;
  /** Why nothing can be written there, and what to do about it. */
  readonly unwritable?: Absent;
  /** Room on its disk, in gigabytes. */
  readonly free_gb?: number;
}

/** The native library: loaded; or not there, or there and broken. */
export type NativeState =
  | {
      readonly state: 'loaded';
      readonly path: string;
      readonly build: BuildInfo;
      /** How many devices of each kind it can use now. */
      readonly devices: Readonly<Record<Device, number>>;
      /** Why its build left the CUDA kernels out, where it tried them. */
      readonly cuda_failure?: Absent;
      /** Why the addon, which owns memory on devices, does not load, if so. */
      readonly addon?: Absent;
    }
  | ({ readonly state: 'absent' | 'broken' } & Absent);

/** How TensorFlow's CPU allocator is set. */
export interface AllocatorState {
  /** `bfc` keeps the memory of freed tensors. */
  readonly kind: 'bfc' | 'default';
  readonly limit_mib?: number;
}

/** tfjs-node with its TensorFlow: loaded in a process that imported `polycom/tensorflow`, or not. */
export type TensorflowState =
  | {
      readonly state: 'loaded';
      readonly package: string;
      readonly version: string;
      /** The file that was loaded. */
      readonly library?: string;
      readonly device: Device;
      /** Whether it was built with CUDA; absent where it does not say. */
      readonly cuda?: boolean;
      readonly allocator: AllocatorState;
      /** Whether the ops are registered in it; if not, why. */
      readonly fused: boolean;
      readonly missing?: Absent;
      /** How ops are ordered with TensorFlow's work on a GPU; 3: by waiting for the device. */
      readonly stream_tier?: number;
      /** Why they do not run on its stream, where something is missing for that. */
      readonly no_stream?: Absent;
      /** The tfjs backends that have kernels of each op, forward and backward. */
      readonly registered: Readonly<Record<string, readonly string[]>>;
    }
  | ({ readonly state: 'absent' | 'broken' } & Absent);

/** A tfjs-node package that the working directory can require. */
export interface TfjsInstalled {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /** Whether it has a binding. */
  readonly linked: boolean;
}

/** A TensorFlow that `polycom tf-link` would take without fetching. */
export interface TensorflowAtHand {
  readonly version: string;
  readonly folder: string;
  readonly source: TensorflowSource;
}

/** Everything that was found. */
export interface Facts {
  readonly package: { readonly version: string; readonly folder: string; readonly koffi: string };
  readonly system: System;
  readonly cache: Cache;
  readonly native: NativeState;
  readonly gpu: Gpus;
  readonly tfjs: readonly TfjsInstalled[];
  readonly tensorflow: TensorflowState;
  /** Only looked for where none is loaded. */
  readonly tensorflow_at_hand?: TensorflowAtHand | Absent;
  readonly tools: readonly Tool[];
  /** Every op once, against its reference, wherever ops run. */
  readonly smoke: readonly HostReport[];
}

/** A line of the report. `absent` is normal; `broken` is an error. */
export interface Finding {
  readonly mark: 'ok' | 'absent' | 'broken';
  readonly label: string;
  readonly value: string;
  readonly remedy?: string;
}

/** Lines about one concern. */
export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** What `polycom doctor --json` prints. */
export interface DoctorDocument extends Facts {
  readonly schema: 1;
  /** Whether nothing is broken. */
  readonly ok: boolean;
  readonly sections: readonly Section[];
}
