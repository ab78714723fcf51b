import { PolycomError } from './errors.js';

type Code = 'INVALID_ARGUMENT' | 'OUT_OF_MEMORY' | 'UNSUPPORTED' | 'DEVICE_ERROR';

/** What TensorFlow's status codes mean that come of what was asked for, or of the machine. The others are faults. */
const CODES: Readonly<Record<number, Code>> = {
  3: 'INVALID_ARGUMENT',
  8: 'OUT_OF_MEMORY',
  12: 'UNSUPPORTED',
  13: 'DEVICE_ERROR',
  14: 'DEVICE_ERROR',
};

const REMEDIES: Readonly<Partial<Record<Code, string>>> = {
  OUT_OF_MEMORY: 'take fewer or shorter sequences at once',
  DEVICE_ERROR: 'see what npx polycom doctor says of this machine',
};

/**
 * The typed error of one that TensorFlow threw through tfjs-node, or that JavaScript did for want of memory; nothing
 * for any other.
 */
export function tensorflowError(error: unknown): PolycomError | undefined {
  if (!(error instanceof Error) || error instanceof PolycomError) return undefined;
  if (error instanceof RangeError && /Array buffer allocation failed/.test(error.message)) {
    return typedError('OUT_OF_MEMORY', 'JavaScript could not allocate an array', error);
  }
  const [, status, message = ''] = /Invalid TF_Status: (\d+)\s+Message: ([\s\S]*)/.exec(error.message) ?? [];
  const code = CODES[Number(status)];
  if (code === undefined) return undefined;
  return typedError(code, code === 'OUT_OF_MEMORY' ? allocation(message) : cleaned(message), error);
}

/** Runs what calls TensorFlow; what {@link tensorflowError} knows becomes typed. */
export function inTensorflow<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw tensorflowError(error) ?? error;
  }
}

function typedError(code: Code, message: string, cause: Error): PolycomError {
  return new PolycomError(code, message, { cause, remedy: REMEDIES[code] });
}

const BYTES: Readonly<Record<string, number>> = { float: 4, int32: 4, bool: 1 };

/** What TensorFlow had no memory for. */
function allocation(message: string): string {
  const [, dims, type = ''] = /tensor with shape\s*\[([\d,]*)\] and type (\w+)/.exec(message) ?? [];
  if (dims === undefined) return `TensorFlow is out of memory: ${cleaned(message)}`;
  const shape = dims === '' ? [] : dims.split(',').map(Number);
  const bytes = (BYTES[type] ?? 4) * shape.reduce((product, size) => product * size, 1);
  return `TensorFlow is out of memory: it could not allocate ${(bytes / 1e9).toPrecision(3)} GB more, for [${shape.join(', ')}]`;
}

/** The first line of a message, without the names that TensorFlow gives its functions and devices. */
function cleaned(message: string): string {
  const [line = ''] = message
    .replaceAll(/\{\{[^}]*\}\}\s*|\s*\[Op:\w+\].*/g, '')
    .trim()
    .split('\n');
  return `TensorFlow: ${line}`.replace('TensorFlow: TensorFlow', 'TensorFlow').slice(0, 400);
}
