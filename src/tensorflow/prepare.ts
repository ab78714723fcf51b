import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import util from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { sayOnce } from '../common/notice.js';
import { isBundled, requireHere } from '../common/package.js';

/** What {@link prepareProcess} did. */
export interface Prepared {
  /** The environment variables that this call set. */
  readonly environment: Readonly<Record<string, string>>;
  /** The functions that this Node has removed and that this call put back. */
  readonly polyfilled: readonly string[];
  /** Why the environment was left alone: it reaches TensorFlow only from Node's main thread, and before it loads. */
  readonly skipped?: 'Bun' | 'worker thread' | 'TensorFlow is loaded';
}

/** The share of the machine's (or container's) memory that TensorFlow's CPU allocator may take. */
const MEMORY_SHARE = 0.75;

/**
 * Prepares the process for tfjs-node: TensorFlow reads its environment when it loads, and tfjs-node 4.22 calls a
 * function that Node 23 removed. Sets only what the user has not set; may be called again.
 */
export function prepareProcess(): Prepared {
  const polyfilled = polyfill();
  if (process.versions.bun !== undefined) return { environment: {}, polyfilled, skipped: 'Bun' };
  if (!isMainThread) return { environment: {}, polyfilled, skipped: 'worker thread' };
  const missing = missingEnvironment();
  if (Object.keys(missing).length === 0) return { environment: {}, polyfilled };
  if (isTensorflowLoaded()) {
    if (hasItsOrder()) {
      sayOnce(
        `TensorFlow was loaded before polycom, so ${Object.keys(missing).join(', ')} could not be set; ` +
          "import 'polycom/tensorflow' before tfjs-node, or start with node --import polycom/tensorflow",
      );
    }
    return { environment: {}, polyfilled, skipped: 'TensorFlow is loaded' };
  }
  Object.assign(process.env, missing);
  return { environment: missing, polyfilled };
}

/**
 * Whether modules run in the order in which the application imports them. A bundler moves what it leaves out to the
 * front, and so does Jest what is CommonJS; the application cannot help it.
 */
function hasItsOrder(): boolean {
  return !isBundled && process.env.JEST_WORKER_ID === undefined;
}

/** Whether this process has TensorFlow's libraries or tfjs-node's binding in memory. */
export function isTensorflowLoaded(): boolean {
  const { cache } = requireHere;
  if (Object.keys(cache).some((path) => path.endsWith('tfjs_binding.node'))) return true;
  try {
    return /\/libtensorflow(_cc|_framework)?\.so/.test(readFileSync('/proc/self/maps', 'utf8'));
  } catch {
    return false;
  }
}

/** The memory, in MiB, to which {@link prepareProcess} limits TensorFlow's CPU allocator. */
export function allocatorLimit(
  total: number = totalmem(),
  constrained: number = process.constrainedMemory(),
): number {
  const memory = constrained > 0 ? Math.min(total, constrained) : total;
  return Math.max(1, Math.floor((memory * MEMORY_SHARE) / 2 ** 20));
}

function missingEnvironment(): Record<string, string> {
  const wanted = { ...allocatorEnvironment(), TF_FORCE_GPU_ALLOW_GROWTH: 'true', TF_CPP_MIN_LOG_LEVEL: '1' };
  return Object.fromEntries(Object.entries(wanted).filter(([name]) => process.env[name] === undefined));
}

/**
 * An allocator that keeps the memory of freed tensors. Without it, and unless oneDNN is on (which depends on the
 * CPU), TensorFlow maps every large tensor anew, and page faults take most of the time. It never gives memory
 * back, and its own limit is 64 GiB.
 */
function allocatorEnvironment(): Record<string, string> {
  if (process.env.POLYCOM_TF_ALLOCATOR === 'default') return {};
  return { TF_CPU_ALLOCATOR_USE_BFC: '1', TF_CPU_BFC_MEM_LIMIT_IN_MB: String(allocatorLimit()) };
}

function polyfill(): string[] {
  const functions = util as unknown as Record<string, unknown>;
  if (functions.isNullOrUndefined !== undefined) return [];
  functions.isNullOrUndefined = (value: unknown): boolean => value === null || value === undefined;
  return ['util.isNullOrUndefined'];
}
