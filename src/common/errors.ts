/** What went wrong, as a program can test it. */
export type PolycomErrorCode =
  | 'INVALID_ARGUMENT'
  | 'UNSUPPORTED'
  | 'NO_DEVICE'
  | 'DEVICE_ERROR'
  | 'OUT_OF_MEMORY'
  | 'LIBRARY_NOT_FOUND'
  | 'ABI_MISMATCH'
  | 'TENSORFLOW_NOT_FOUND'
  | 'BUILD_FAILED'
  /** A file is damaged, cut off, or of another kind. */
  | 'INVALID_FILE'
  /** The system refused to read or write a file. */
  | 'FILE_ERROR'
  /** A loss or a gradient is NaN or infinite. */
  | 'NOT_FINITE'
  | 'INTERNAL';

/** The particulars of a {@link PolycomError}. */
export interface PolycomErrorDetails {
  /** The op that was asked for, for instance `polynorm_forward`. */
  readonly op?: string | undefined;
  /** The shapes of the tensors it was given, by name. */
  readonly shapes?: Readonly<Record<string, readonly number[]>> | undefined;
  /** The file or folder that it is about. */
  readonly path?: string | undefined;
  /** What to do about it. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

/** Codes whose errors all say what to do: nothing goes on before somebody has done it. */
type RemediedCode = 'INVALID_FILE' | 'BUILD_FAILED' | 'LIBRARY_NOT_FOUND';

/** The particulars of an error that says what to do. */
type Remedied = PolycomErrorDetails & { readonly remedy: string };

/** Every error this package throws: `code` for programs; op, shapes and remedy for people. */
export class PolycomError extends Error {
  override readonly name = 'PolycomError';
  readonly code: PolycomErrorCode;
  readonly op: string | undefined;
  readonly shapes: Readonly<Record<string, readonly number[]>> | undefined;
  readonly path: string | undefined;
  readonly remedy: string | undefined;
  /** The message without its remedy: for a message that is made of several. */
  readonly problem: string;

  constructor(code: Exclude<PolycomErrorCode, RemediedCode>, message: string, details?: PolycomErrorDetails);
  constructor(code: PolycomErrorCode, message: string, details: Remedied);
  constructor(code: PolycomErrorCode, message: string, details: PolycomErrorDetails = {}) {
    const { op, shapes, path, remedy, cause } = details;
    const where = op === undefined ? '' : `${op}: `;
    const given = shapes === undefined ? '' : ` (${formatShapes(shapes)})`;
    const advice = remedy === undefined ? '' : `\n  remedy: ${remedy}`;
    const problem = `${where}${message}${given}`;
    super(`${problem}${advice}`, cause === undefined ? undefined : { cause });
    this.problem = problem;
    this.code = code;
    this.op = op;
    this.shapes = shapes;
    this.path = path;
    this.remedy = remedy;
  }
}

/** The typed error of what the caller gave: the message says what, and what was expected. */
export function invalidArgument(message: string, details?: PolycomErrorDetails): PolycomError {
  return new PolycomError('INVALID_ARGUMENT', message, details);
}

/** The typed error of a file that is not what it should be. */
export function invalidFile(path: string, problem: string, remedy: string, cause?: unknown): PolycomError {
  return new PolycomError('INVALID_FILE', `${path}: ${problem}`, { remedy, cause });
}

function formatShapes(shapes: Readonly<Record<string, readonly number[]>>): string {
  return Object.entries(shapes)
    .map(([name, shape]) => `${name} [${shape.join(', ')}]`)
    .join(', ');
}
