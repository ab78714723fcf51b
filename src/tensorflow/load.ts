import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as tfc from '@tensorflow/tfjs-core';
import { holdForever } from '../common/hold.js';
import { requireHere } from '../common/package.js';
import { hasBinding, resolvePackage, resolvePackages, type TfjsPackage } from './link/packages.js';
import { prepareProcess } from './prepare.js';

/** What this package uses of tfjs-node's native binding. */
export interface TfjsBinding {
  readonly TF_Version: string;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_INT: number;
  isUsingGpuDevice(): boolean;
  executeOp(name: string, attributes: unknown[], inputIds: number[], outputs: number): unknown[];
}

/** A loaded tfjs-node. */
export interface TfjsNode {
  readonly loaded: true;
  readonly packageName: string;
  readonly packageFolder: string;
  readonly tf: typeof tfc;
  readonly backend: tfc.KernelBackend;
  readonly binding: TfjsBinding;
}

/** Why there is no tfjs-node, and what to do about it. */
export interface TfjsNodeMissing {
  readonly loaded: false;
  readonly state: 'not installed' | 'not linked' | 'failed';
  readonly packageName?: string;
  readonly reason: string;
  readonly remedy: string;
}

const LINK = 'run: npx polycom tf-link';

/**
 * Loads tfjs-node, after preparing the process for it: the package that `POLYCOM_TFJS_PACKAGE` names, else the one
 * that the process has loaded already, else the first of tfjs-node-gpu and tfjs-node that has a binding.
 */
export function loadTfjsNode(projectFolder: string = process.cwd()): TfjsNode | TfjsNodeMissing {
  prepareProcess();
  const named = process.env.POLYCOM_TFJS_PACKAGE;
  if (named !== undefined && named !== '') return loadNamed(named, projectFolder);
  const present = loadedPackage();
  if (present !== undefined) return load(present.name, present.folder);
  const installed = resolvePackages(projectFolder);
  const linked = installed.find(hasBinding);
  if (linked !== undefined) return load(linked.name, linked.folder);
  return installed[0] === undefined ? notInstalled() : notLinked(installed[0]);
}

function loadNamed(name: string, projectFolder: string): TfjsNode | TfjsNodeMissing {
  const tfjs = resolvePackage(name, projectFolder);
  if (tfjs === undefined) return notInstalled(name);
  return hasBinding(tfjs) ? load(tfjs.name, tfjs.folder) : notLinked(tfjs);
}

/** The tfjs-node that the application has required (or imported: it is CommonJS), wherever it lies. */
function loadedPackage(): { name: string; folder: string } | undefined {
  const { cache } = requireHere;
  for (const [path, module] of Object.entries(cache)) {
    const name = /[\\/](@tensorflow[\\/]tfjs-node(?:-gpu)?)[\\/]dist[\\/]index\.js$/.exec(path)?.[1];
    if (name !== undefined && module?.loaded === true) {
      return { name: name.replace('\\', '/'), folder: dirname(dirname(path)) };
    }
  }
  return undefined;
}

function load(packageName: string, packageFolder: string): TfjsNode | TfjsNodeMissing {
  try {
    const tf = createRequire(join(packageFolder, 'package.json'))(packageFolder) as typeof tfc;
    const backend = tf.findBackend('tensorflow') as (tfc.KernelBackend & { binding?: TfjsBinding }) | null;
    const binding = backend?.binding;
    if (!backend || binding === undefined) return failed(packageName, "it has no backend 'tensorflow'");
    holdForever(binding);
    return { loaded: true, packageName, packageFolder, tf, backend, binding };
  } catch (error) {
    return failed(packageName, error instanceof Error ? error.message : String(error));
  }
}

function failed(packageName: string, why: string): TfjsNodeMissing {
  return {
    loaded: false,
    state: 'failed',
    packageName,
    reason: `${packageName} does not load: ${why}`,
    remedy: `${LINK} --verify`,
  };
}

function notLinked({ name, binding }: TfjsPackage): TfjsNodeMissing {
  return {
    loaded: false,
    state: 'not linked',
    packageName: name,
    reason: `${name} is installed, but its native binding is not (${binding}), so importing it throws`,
    remedy: LINK,
  };
}

function notInstalled(name = '@tensorflow/tfjs-node'): TfjsNodeMissing {
  return {
    loaded: false,
    state: 'not installed',
    packageName: name,
    reason: `${name} is not installed`,
    remedy: `npm install --ignore-scripts ${name}@4.22.0, then ${LINK}`,
  };
}
