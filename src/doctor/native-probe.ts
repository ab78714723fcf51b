/** Loads the native library, and says what it is. */

import { PolycomError } from '../common/errors.js';
import { answer, endProbe } from '../common/probe.js';
import { libraryCandidates } from '../native/find.js';
import { findNative, type NativeLibrary } from '../native/library.js';
import { choiceOf } from '../native/stamp.js';
import type { Absent } from '../verify/types.js';
import type { NativeState } from './types.js';

const native = findNative();
await answer(state());
endProbe();

function state(): NativeState {
  if (!native.found) {
    const { reason, remedy } = native;
    return { state: libraryCandidates().length === 0 ? 'absent' : 'broken', reason, remedy };
  }
  const { path, build } = native;
  const devices = { cpu: native.deviceCount('cpu'), cuda: native.deviceCount('cuda') };
  const addon = addonFailure(native);
  const cuda_failure = build.cuda ? undefined : choiceOf(path)?.failure;
  return {
    state: 'loaded',
    path,
    build,
    devices,
    ...(cuda_failure === undefined ? {} : { cuda_failure }),
    ...(addon === undefined ? {} : { addon }),
  };
}

function addonFailure(library: NativeLibrary): Absent | undefined {
  try {
    return void library.addon;
  } catch (error) {
    if (!(error instanceof PolycomError)) throw error;
    return { reason: error.message.split('\n')[0]!, remedy: error.remedy ?? '' };
  }
}
