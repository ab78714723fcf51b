import type { LibraryHandle } from 'koffi';
import { holdForever } from '../common/hold.js';
import { sayOnce } from '../common/notice.js';
import { koffi } from '../native/koffi.js';
import type { NativeLibrary } from '../native/library.js';
import { streamLibraryOf } from './link/packages.js';
import type { TfjsNode } from './load.js';

/** Why ops do not run on the stream of TensorFlow's own GPU device, and what to do about it. */
export interface NoStream {
  readonly reason: string;
  readonly remedy: string;
}

let refusal: NoStream | undefined;

/** Why the native library was not given TensorFlow's streams; undefined where it was, and before anyone tried. */
export function streamRefusal(): NoStream | undefined {
  return refusal;
}

/** Gives the native library the function that finds TensorFlow's stream, where `tf-link` has compiled it for this version. */
export function useStream(native: NativeLibrary, { packageFolder, binding }: TfjsNode): void {
  refusal = handStream(native, streamLibraryOf(packageFolder), binding.TF_Version);
  if (refusal === undefined || process.env.POLYCOM_STREAM_TIER !== '1') return;
  sayOnce(`ops cannot run on TensorFlow's stream: ${refusal.reason}; remedy: ${refusal.remedy}`);
}

/**
 * Gives the native library a function of a library beside TensorFlow's.
 *
 * @returns why not, if it was not given
 */
export function handStream(
  native: NativeLibrary,
  path: string,
  tensorflow: string,
  name: string = 'polycom_tensorflow_stream',
): NoStream | undefined {
  let library: LibraryHandle;
  let version: string;
  try {
    library = koffi().load(path);
    version = library.func('polycom_tensorflow_version', 'str', [])() as string;
  } catch (error) {
    return {
      reason: `${path} does not load: ${error instanceof Error ? error.message : error}`,
      remedy: LINK,
    };
  }
  if (version !== tensorflow) {
    return { reason: `${path} was compiled for TensorFlow ${version}, and ${tensorflow} runs`, remedy: LINK };
  }
  holdForever(library);
  native.function<(stream: bigint) => void>('pc_tensorflow_use_stream', 'void', ['void *'])(
    library.symbol(name) as bigint,
  );
  return undefined;
}

const LINK = 'run: npx polycom tf-link';
