import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import { PolycomError } from '../common/errors.js';
import { ABI_VERSION, findNative, type NativeLibrary } from '../native/library.js';
import { type RunPass, registerOp, registerPass } from '../op/register.js';
import { type Op, type Pass, passesOf, type Scalars } from '../op/types.js';
import { optimizerPasses } from '../transformer-ops/optimizer.js';
import { whyNotOnGpu } from './cuda.js';
import type { TfjsBinding, TfjsNode } from './load.js';
import { useStream } from './stream.js';

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
 * How the last op on a GPU was ordered with TensorFlow's own work: from 0, on its stream, to 3, by waiting for the device
 * before and after, as polycom_tensorflow.h lists them. None before the first op on a GPU.
 */
export function streamTier(): number | undefined {
  const native = findNative();
  const tier = native.found
    ? native.function<() => number>('pc_tensorflow_stream_tier', 'int32_t', [])()
    : -1;
  return tier < 0 ? undefined : tier;
}

/**
 * Registers ops and the optimizer in tfjs-node's TensorFlow, and over it the tfjs kernels and gradients.
 *
 * @throws {PolycomError} where TensorFlow uses a GPU that the library has no kernels for: `NO_DEVICE` or `UNSUPPORTED`.
 *   Nothing is registered then: an op with kernels on the CPU alone would have all its tensors copied there and back
 */
export function registerInTensorflow(ops: readonly Op[], native: NativeLibrary, tfjs: TfjsNode): void {
  const attach = native.function<(names: string) => number>('pc_tensorflow_attach', 'int32_t', ['str']);
  native.check(attach(LIBRARIES.join('\n')));
  if (tfjs.binding.isUsingGpuDevice()) {
    useGpu(native);
    useStream(native, tfjs);
  }
  const run = runnerFor(tfjs.binding);
  for (const op of ops) {
    for (const pass of passesOf(op)) definePass(pass, native, tfjs.binding);
    registerOp(op, 'tensorflow', run);
  }
  for (const pass of optimizerPasses) {
    definePass(pass, native, tfjs.binding);
    registerPass(pass, 'tensorflow', run);
  }
}

function useGpu(native: NativeLibrary): void {
  try {
    native.check(native.function<() => number>('pc_tensorflow_use_gpu', 'int32_t', [])());
  } catch (cause) {
    if (!(cause instanceof PolycomError)) throw cause;
    const { remedy, reason } = whyNotOnGpu(cause, native.build.cuda);
    throw new PolycomError(cause.code, reason, { remedy, cause });
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
    [...ports(pass, pass.outputs), ...(pass.inPlace === undefined ? [] : writtenPorts(pass, pass.inPlace))],
    Object.entries(pass.scalars).map(([name, value]) => `${name}=${value}`),
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

/** The output that is an input again, as the library is told of it. */
function writtenPorts(pass: Pass, input: string): string[] {
  return ports(pass, [input]).map((port) => `=${port}`);
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
    // Of the pass, too: another's scalar of the same name may have another default.
    let key = pass.kernelName;
    for (const name in pass.scalars) key += `,${name}=${scalars[name]}`;
    if (key === pass.kernelName) return NO_ATTRIBUTES;
    let list = attributes.get(key);
    if (list === undefined) {
      // Each attribute that is named takes TensorFlow a microsecond or two.
      list = Object.keys(pass.scalars)
        .filter((name) => scalars[name] !== pass.scalars[name])
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
    const count = pass.outputs.length + countWritten(pass, inputs);
    if (count === 1) return [node.executeSingleOutput(name, list, inputs)];
    return node.executeMultipleOutputs(name, list, inputs, count);
  };
}

/** How many tensors come back of the input that a pass writes in place: of a list all. */
function countWritten({ inputs: names, inPlace, list }: Pass, inputs: readonly TensorInfo[]): number {
  if (inPlace === undefined) return 0;
  return list && inPlace === names.at(-1) ? inputs.length - names.length + 1 : 1;
}

const NO_ATTRIBUTES: readonly Attribute[] = [];
