import { PolycomError } from '../common/errors.js';
import { requireHere } from '../common/package.js';
import type { NativeMissing } from './types.js';

type Koffi = typeof import('koffi')['default'];

let loaded: Koffi | undefined;

/**
 * koffi, loaded when it is first needed: its binary is in an optional package, whose absence is no reason for this
 * package's import to fail.
 *
 * @throws {PolycomError} `LIBRARY_NOT_FOUND` where it does not load
 */
export function koffi(): Koffi {
  const missing = missingKoffi();
  if (missing === undefined) return loaded!;
  throw new PolycomError('LIBRARY_NOT_FOUND', missing.reason, { remedy: missing.remedy });
}

/** Why koffi does not load, if it does not. */
export function missingKoffi(): NativeMissing | undefined {
  try {
    loaded ??= requireHere('koffi') as Koffi;
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { found: false, reason: `koffi does not load: ${why}`, remedy: REMEDY };
  }
}

const REMEDY = 'run: npm install koffi, without --omit=optional (its binary is an optional package)';
