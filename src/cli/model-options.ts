import { invalidArgument } from '../common/errors.js';
import type { Data } from '../data/open.js';
import type { ActivationName, ModelConfig } from '../model/config.js';
import { type ConfigOverrides, configOf, type PresetName, presets } from '../model/presets.js';

/** What a command says of a model to be made. */
export interface ModelOptions {
  readonly preset: PresetName;
  readonly activation: ActivationName;
  /** Fields of the configuration: `width=256`, `experts.count=8`. */
  readonly set?: readonly string[];
}

/**
 * The configuration that the options describe, with the vocabulary of the data unless they name another.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a field that is unknown or out of range
 */
export function modelOf(
  { preset, activation, set = [] }: ModelOptions,
  { train }: Pick<Data, 'train'>,
): ModelConfig {
  const overrides: Record<string, unknown> = { activation, vocabulary: train.vocabulary };
  const parts: Record<string, Record<string, unknown>> = {};
  for (const text of set) {
    const [, field, value] = /^([A-Za-z.]+)=(.+)$/.exec(text) ?? [];
    if (field === undefined || value === undefined) {
      throw invalidArgument(`--set '${text}'; expected field=value, such as width=256`);
    }
    const [name, inner] = field.split(/\.(.*)/) as [string, string?];
    if (inner === undefined) overrides[name] = parsed(value);
    else parts[name] = { ...parts[name], [inner]: parsed(value) };
  }
  const base: Readonly<Record<string, unknown>> = { ...presets[preset] };
  for (const [name, part] of Object.entries(parts)) overrides[name] = { ...(base[name] as object), ...part };
  return configOf(preset, overrides as ConfigOverrides);
}

/** JSON where it is, else the text itself. */
function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
