/** Loads the native library, and says what it is. */
import { libraryCandidates } from '../native/find.js';
import { findNative } from '../native/library.js';
import { answer, endProbe } from '../probe.js';
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
  return { state: 'loaded', path, build, devices };
}
