/**
 * `import 'polycom/tensorflow'` before tfjs-node: prepares the process for it, loads it, and registers the fused ops
 * in its TensorFlow, whose newer answers to tfjs-node's own kernels it repairs. What is missing is said once, and the
 * ops then run as compositions; nothing is thrown.
 */
import { PolycomError } from '../common/errors.js';
import { NO_FUSED_KERNELS, sayOnce } from '../common/notice.js';
import { libraryCandidates } from '../native/find.js';
import { findNative } from '../native/library.js';
import { tfjsOps } from '../ops.js';
import { loadTfjsNode } from './load.js';
import { registerInTensorflow } from './ops.js';
import { repairKernels } from './repairs.js';

/** What importing this entry point found and did. */
export interface TensorflowStatus {
  /** Whether the fused ops run inside TensorFlow. */
  readonly fused: boolean;
  /** The loaded tfjs package, if any: `@tensorflow/tfjs-node`. */
  readonly package?: string;
  /** TensorFlow's version, if it is loaded. */
  readonly tensorflow?: string;
  /** The native library's file, if it is loaded. */
  readonly library?: string;
  /** Why the ops are not fused, and what to do about it: in one line, and apart. */
  readonly missing?: string;
  readonly reason?: string;
  readonly remedy?: string;
}

/** What importing this entry point found and did. */
export const tensorflowStatus: TensorflowStatus = register();

function register(): TensorflowStatus {
  const tfjs = loadTfjsNode();
  if (!tfjs.loaded) return missing(withLibrary(tfjs));
  repairKernels();
  const known = { package: tfjs.packageName, tensorflow: tfjs.binding.TF_Version };
  const native = findNative();
  if (!native.found) return missing(native, known);
  try {
    registerInTensorflow(tfjsOps, native, tfjs);
  } catch (error) {
    return missing(whyOf(error), { ...known, library: native.path });
  }
  return { fused: true, ...known, library: native.path };
}

function missing(
  why: { reason: string; remedy: string },
  known: Omit<TensorflowStatus, 'fused'> = {},
): TensorflowStatus {
  sayOnce(`no fused ops in TensorFlow: ${why.reason}; remedy: ${why.remedy}`, NO_FUSED_KERNELS);
  const { reason, remedy } = why;
  return { fused: false, ...known, missing: `${reason}; remedy: ${remedy}`, reason, remedy };
}

function whyOf(error: unknown): { reason: string; remedy: string } {
  const remedy = 'run: npx polycom tf-link --verify';
  if (error instanceof PolycomError) return { reason: error.problem, remedy: error.remedy ?? remedy };
  return { reason: error instanceof Error ? error.message : String(error), remedy };
}

/** What is missing beside tfjs-node is said in the same line. */
function withLibrary({ reason, remedy }: { reason: string; remedy: string }) {
  if (libraryCandidates().length > 0) return { reason, remedy };
  return {
    reason: `${reason}, and the native library has not been built`,
    remedy: `${remedy}, then npx polycom build`,
  };
}
