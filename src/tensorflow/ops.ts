import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import { optimizerPasses } from '../fused/optimizer.js';
import { passesOf, type TransformerOp } from '../fused/types.js';
import { ABI_VERSION, type NativeLibrary } from '../native/library.js';
import { type RunPass, registerOp, registerPass } from '../op/register.js';
import { backwardPass, type FusedOp, forwardPass, type Pass, type Scalars } from '../op/types.js';
import type { TfjsBinding, TfjsNode } from './load.js';

/** What this file uses of tfjs-node's backend. */
interface NodeBackend extends KernelBackend {
  executeSingleOutput(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly TensorInfo[],
  ): TensorInfo;
  executeMultipleOutputs(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly TensorInfo[],
    outputs: number,
  ): TensorInfo[];
}

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: number;
}

type Register = (
  name: string,
  run: bigint,
  plan: bigint,
  inputs: string,
  outputs: string,
  scalars: string,
) => number;

// Where TensorFlow's C API lies: in the wheels' two libraries, or in libtensorflow's.
const LIBRARIES = ['libtensorflow_framework.so.2', 'libtensorflow_cc.so.2', 'libtensorflow.so.2'];

/**
 * How ops are ordered with TensorFlow's own work on a GPU, from 0 (on its stream) to 3: by waiting for the device
 * before and after, as native/tensorflow does.
 */
export const STREAM_TIER = 3;

/** Registers every op in tfjs-node's TensorFlow, and over it the tfjs kernels and gradients. */
export function registerInTensorflow(
  activations: readonly FusedOp[],
  fused: readonly TransformerOp[],
  native: NativeLibrary,
  tfjs: TfjsNode,
): void {
  const attach = native.function<(names: string) => number>('pc_tensorflow_attach', 'int32_t', ['str']);
  native.check(attach(LIBRARIES.join('\n')));
  const run = runnerFor(tfjs.binding);
  for (const op of activations) {
    for (const pass of [forwardPass(op), backwardPass(op)]) definePass(pass, native, tfjs.binding);
    registerOp(op, 'tensorflow', run);
  }
  for (const pass of [...fused.flatMap(passesOf), ...optimizerPasses]) {
    definePass(pass, native, tfjs.binding);
    registerPass(pass, 'tensorflow', run);
  }
}

/** The TensorFlow op of a pass. Two copies of this package share it if they agree on the C ABI. */
export function tensorflowName(pass: Pass): string {
  return `Polycom${pass.kernelName}V${ABI_VERSION}`;
}

function definePass(pass: Pass, native: NativeLibrary, binding: TfjsBinding): void {
  const name = tensorflowName(pass);
  if (isTaken(name, binding)) return;
  const register = native.function<Register>('pc_tensorflow_register', 'int32_t', [
    'str',
    'void *',
    'void *',
    'str',
    'str',
    'str',
  ]);
  const [inputs, outputs, scalars] = [
    ports(pass, pass.inputs),
    ports(pass, pass.outputs),
    pass.scalars.map((scalar) => `${scalar}=${pass.defaults[scalar]}`),
  ].map((names) => names.join(','));
  const [run, plan] = [native.symbol(`pc_${pass.native}`), native.symbol(`pc_${pass.native}_plan`)];
  native.check(register(name, run, plan, inputs!, outputs!, scalars!), pass.native);
}

/** The names as the library is told them: of a packed tensor the two views that the C function takes, `:i32` after whole numbers, `*` after a list. */
function ports(pass: Pass, names: readonly string[]): string[] {
  const views: Readonly<Record<string, string>> = { packed: 'gate+up', dpacked: 'dgate+dup' };
  return names.map((name) => {
    if (pass.list && name === pass.inputs.at(-1)) return `${name}*`;
    if (pass.integers.includes(name)) return `${name}:i32`;
    return pass.packed ? (views[name] ?? name) : name;
  });
}

/** Whether TensorFlow knows an op of this name. Registering it again would abort the process. */
function isTaken(name: string, binding: TfjsBinding): boolean {
  try {
    binding.executeOp(name, [], [], 0);
    return true;
  } catch (error) {
    return !/neither a type of a primitive operation/.test(String(error));
  }
}

function runnerFor(binding: TfjsBinding): RunPass {
  const attributes = new Map<string, readonly Attribute[]>();
  // TensorFlow keeps a kernel for each set of attributes; this keeps what names it.
  const attributesOf = (pass: Pass, scalars: Scalars): readonly Attribute[] => {
    if (pass.scalars.length === 0) return NO_ATTRIBUTES;
    const key = pass.scalars.map((name) => `${name}=${scalars[name]}`).join();
    let list = attributes.get(key);
    if (list === undefined) {
      // Each attribute that is named takes TensorFlow a microsecond or two.
      list = pass.scalars
        .filter((name) => scalars[name] !== pass.defaults[name])
        .map((name) => ({ name, type: binding.TF_ATTR_FLOAT, value: scalars[name]! }));
      attributes.set(key, list);
    }
    return list;
  };
  const countOf = (pass: Pass, inputs: readonly TensorInfo[]): readonly Attribute[] => [
    { name: 'N', type: binding.TF_ATTR_INT, value: inputs.length - pass.inputs.length + 1 },
  ];
  return (backend, pass, inputs, scalars) => {
    const node = backend as NodeBackend;
    const name = tensorflowName(pass);
    const list = pass.list ? countOf(pass, inputs) : attributesOf(pass, scalars);
    if (pass.outputs.length === 1) return [node.executeSingleOutput(name, list, inputs)];
    return node.executeMultipleOutputs(name, list, inputs, pass.outputs.length);
  };
}

const NO_ATTRIBUTES: readonly Attribute[] = [];
