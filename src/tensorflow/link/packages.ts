import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { requireHere } from '../../common/package.js';

/** tfjs-node's packages, in the order of preference. */
export const TFJS_PACKAGES: readonly string[] = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

/** An installed tfjs-node package. */
export interface TfjsPackage {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /**
   * Where the package looks for its binding: node-pre-gyp takes the newest Node-API version that both its
   * `binary.napi_versions` (3 to 8) and the Node know, which is 8 for every Node that we support.
   */
  readonly binding: string;
}

/** Finds a package as the project would, else as this package would. */
export function resolvePackage(name: string, projectFolder: string): TfjsPackage | undefined {
  const manifest =
    resolveFrom(createRequire(join(projectFolder, 'package.json')), name) ?? resolveFrom(requireHere, name);
  if (manifest === undefined) return undefined;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const folder = dirname(manifest);
  return { name, version, folder, binding: join(folder, 'lib', 'napi-v8', 'tfjs_binding.node') };
}

/** Where `tf-link` puts the library that finds TensorFlow's stream: beside the binding. */
export function streamLibraryOf(packageFolder: string): string {
  return join(packageFolder, 'lib', 'napi-v8', 'polycom_stream.so');
}

/** The tfjs-node packages that a project can require. */
export function resolvePackages(projectFolder: string): TfjsPackage[] {
  return TFJS_PACKAGES.flatMap((name) => resolvePackage(name, projectFolder) ?? []);
}

/** Whether a package has a binding, ours or its own. */
export function hasBinding(tfjs: TfjsPackage): boolean {
  return existsSync(tfjs.binding);
}

function resolveFrom(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(`${name}/package.json`);
  } catch {
    return undefined;
  }
}
