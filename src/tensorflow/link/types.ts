/** Where a TensorFlow came from. */
export type TensorflowSource = 'given' | 'cache' | 'installed' | 'fetched';

/** A TensorFlow that tfjs-node's binding can be built against. */
export interface TensorflowFound {
  /** As in `2.21.0`. */
  readonly version: string;
  /** The folder of `libtensorflow_cc.so.2` and `libtensorflow_framework.so.2`. */
  readonly libraryFolder: string;
  /** The folder of `tensorflow/c/c_api.h`. */
  readonly includeFolder: string;
  readonly source: TensorflowSource;
}

/** What looking for a TensorFlow may be told. */
export interface FindOptions {
  /**
   * A TensorFlow wheel (`.whl`), a site-packages folder, or a folder with the two libraries.
   * Without it: `POLYCOM_TENSORFLOW`, our cache, the one installed in `python3`.
   */
  readonly tensorflow?: string | undefined;
  /**
   * Whether it must have CUDA, and is fetched with NVIDIA's libraries where there is none: 3 GB. Otherwise one with CUDA
   * is preferred where a GPU is in sight or tfjs-node-gpu is installed.
   */
  readonly gpu?: boolean | undefined;
  /** The folder from which tfjs-node is resolved; the working directory by default. */
  readonly projectFolder?: string | undefined;
  /** Compare every cached file with its SHA-256, not only its size. */
  readonly verify?: boolean | undefined;
  /** Called with each line worth telling a person. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** What linking may be told. */
export interface LinkOptions extends FindOptions {
  /** Load each newly linked package in a process of its own and add two numbers (all packages with `verify`). */
  readonly check?: boolean | undefined;
}

/** A tfjs-node package, and what became of its binding. */
export interface LinkedPackage {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /** The binding that the package loads. */
  readonly binding: string;
  readonly action: 'linked' | 'already linked';
}

/** What {@link linkTensorflow} did. */
export interface LinkResult {
  readonly tensorflow: TensorflowFound;
  /** Whether it was built with CUDA, where a GPU or `gpu` made that matter. */
  readonly cuda?: boolean;
  readonly packages: readonly LinkedPackage[];
  readonly seconds: number;
}

/** A sink for lines that tell a person what happens. */
export type OnLine = (line: string) => void;
