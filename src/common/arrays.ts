/**
 * The type of a typed array, `Float32Array`, by its own word and not by `instanceof`: under Jest, and between a page's
 * frames, an array may be of another realm, whose Float32Array is another function.
 */
export function arrayType(values: unknown): string | undefined {
  return ArrayBuffer.isView(values) ? (values as unknown as Tagged)[Symbol.toStringTag] : undefined;
}

interface Tagged {
  readonly [Symbol.toStringTag]: string;
}
