import { serialization } from '@tensorflow/tfjs-core';
import type { constraints, initializers, regularizers } from '@tensorflow/tfjs-layers';
import { invalidArgument, type PolycomError } from '../common/errors.js';

/** An initializer, regularizer or constraint of tfjs-layers. */
export type Initializer = ReturnType<typeof initializers.ones>;
export type Regularizer = ReturnType<typeof regularizers.l1l2>;
export type Constraint = ReturnType<typeof constraints.nonNeg>;

/**
 * How a layer's configuration gives one: itself; the name of its tf factory (`zeros`, `nonNeg`) or of its class; or
 * `{ className, config }`, as `getConfig` writes it.
 */
export type Identifier<T> = T | string | serialization.ConfigDict;

/** What `getConfig` writes of one. */
export function serialized(object: serialization.Serializable | undefined): serialization.ConfigDictValue {
  return object === undefined ? null : { className: object.getClassName(), config: object.getConfig() };
}

/** The one that a configuration gives, of these factories. */
export function identified<T extends serialization.Serializable>(
  op: string,
  name: string,
  value: Identifier<T>,
  factories: object,
): T {
  if (isObject<T>(value)) return value;
  const given = typeof value === 'string' ? value : (value as serialization.ConfigDict)?.className;
  try {
    const made = typeof value === 'string' ? fromName<T>(value, factories) : fromConfig<T>(value);
    if (made !== undefined) return made;
  } catch (cause) {
    throw invalidIdentifier(op, `${name} '${given}' needs a configuration`, factories, cause);
  }
  throw invalidIdentifier(op, `${name} is ${given ?? typeof value}`, factories);
}

/** By what it can do, for it may be of another copy of tfjs-layers. */
function isObject<T>(value: unknown): value is T {
  return typeof value === 'object' && typeof (value as { apply?: unknown } | null)?.apply === 'function';
}

function fromName<T extends serialization.Serializable>(name: string, factories: object): T | undefined {
  if (!Object.hasOwn(factories, name)) return fromConfig<T>({ className: name, config: {} });
  return (factories as Record<string, (args: object) => T>)[name]!({});
}

function fromConfig<T extends serialization.Serializable>(value: serialization.ConfigDict): T | undefined {
  const known = serialization.SerializationMap.getMap().classNameMap;
  const { className, config } = value ?? {};
  if (typeof className !== 'string' || !Object.hasOwn(known, className)) return undefined;
  const [cls, make] = known[className]!;
  const made = make(cls, (config ?? {}) as serialization.ConfigDict) as T;
  return isObject<T>(made) ? made : undefined;
}

function invalidIdentifier(op: string, message: string, factories: object, cause?: unknown): PolycomError {
  return invalidArgument(
    `${message}; expected an object of tfjs-layers, { className, config }, or one of ${Object.keys(factories).join(', ')}`,
    { op, cause },
  );
}
