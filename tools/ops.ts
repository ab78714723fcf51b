/**
 * Writes build/ops.json, every op of the two tables described for what is not TypeScript, and
 * build/activations_polycom.py, the activations in PyTorch. The checks of a GPU and the peers in Python read them;
 * `prepare` keeps them current.
 *
 *   npm run ops
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PYTORCH_FILE, pytorchOf } from '../src/activations/pytorch.js';
import { activationRows } from '../src/activations/table.js';
import { given } from '../src/common/objects.js';
import { packageFolder } from '../src/common/package.js';
import { isGated, packed } from '../src/op/gated.js';
import type { Op, Parameter, Scalar } from '../src/op/types.js';
import { transformerOps } from '../src/transformer-ops/table.js';

const FOLDER = join(packageFolder, 'build');

/** An op's row as data, for what is not TypeScript: all of it that is no function. */
interface OpDescription
  extends Omit<
    Op,
    'parameters' | 'scalars' | 'packed' | 'torch' | 'reference' | 'composed' | 'composedGradients' | 'samples'
  > {
  readonly kind: 'activation' | 'gated' | 'op';
  /** In the order of the inputs. */
  readonly parameters: readonly (Parameter & { readonly name: string })[];
  /** In the order of the C argument block. */
  readonly scalars: readonly (Scalar & { readonly name: string })[];
  /** The tfjs kernel of a gated activation's form that takes gate and up in one tensor. */
  readonly packedKernelName?: string;
}

/** The description of an activation's row, or of another op's. */
export function describeOp(op: Op, kind: 'activation' | 'op'): OpDescription {
  const { name, kernelName, label, source, storage, f32 } = op;
  const { inputs, integers, outputs, differentiable, kept, gradients } = op;
  const gated = kind === 'activation' && isGated(op);
  return {
    ...{ name, kernelName, label, source, kind: gated ? 'gated' : kind, storage },
    ...given({ f32 }),
    ...{ inputs, integers, outputs, differentiable, kept, gradients },
    parameters: Object.entries(op.parameters).map(([of, parameter]) => ({ name: of, ...parameter })),
    scalars: Object.entries(op.scalars).map(([of, scalar]) => ({ name: of, ...scalar })),
    ...(gated ? { packedKernelName: packed(op).kernelName } : {}),
  };
}

/** Writes the description, and the activations in PyTorch, unless they stand there. */
export function writeOps(): void {
  const ops = [
    ...activationRows.map((op) => describeOp(op, 'activation')),
    ...Object.values(transformerOps).map((op) => describeOp(op, 'op')),
  ];
  write('ops.json', `${JSON.stringify(ops, null, 1)}\n`);
  write(PYTORCH_FILE, pytorchOf(activationRows));
}

function write(name: string, text: string): void {
  const path = join(FOLDER, name);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(path, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeOps();
