import * as tf from '@tensorflow/tfjs-core';
import { runOp, unfused } from '../op/run.js';
import type { Op } from '../op/types.js';
import { COMPOSED_BOUND, disagreement, FUSED_BOUND, OpCase } from './check.js';
import type { Contender } from './contender.js';
import type { BenchData, BenchTensor } from './data.js';
import { stockOps } from './stock.js';
import type { Allocator, BenchDevice, Machine, RowIdentity } from './types.js';

/** A pass that tfjs-node can time. */
export type TensorflowPass = 'forward' | 'forward_backward';

/** The tensors that the contenders of one shape share; dispose of them after those. */
export class SharedTensors {
  readonly #tensors = new Map<BenchTensor, tf.Tensor>();

  /** Values as a tensor, which on the CPU shares their memory. */
  get(values: BenchTensor): tf.Tensor {
    let tensor = this.#tensors.get(values);
    if (tensor === undefined) {
      tensor = tf.tensor(values.data as Float32Array, [...values.shape], 'float32');
      this.#tensors.set(values, tensor);
    }
    return tensor;
  }

  dispose(): void {
    tf.dispose([...this.#tensors.values()]);
    this.#tensors.clear();
  }
}

/** How TensorFlow allocates in this process, which its environment decides. */
export function allocatorOfProcess(env: NodeJS.ProcessEnv = process.env): Allocator {
  if (env.TF_CPU_ALLOCATOR_USE_BFC === '1') return 'bfc';
  return env.TF_ENABLE_ONEDNN_OPTS === '0' ? 'default-no-onednn' : 'default';
}

/** What a document's machine says of TensorFlow on a CPU. */
export function describeAllocator(): Pick<Machine, 'tf_allocator' | 'tf_onednn'> {
  return {
    tf_allocator: allocatorOfProcess(),
    tf_onednn: process.env.TF_ENABLE_ONEDNN_OPTS === '0' ? 'off' : 'default',
  };
}

/** Waits for a tensor, by a number of it: an op on a GPU returns before its work is done. */
export function awaitTensor(x: tf.Tensor): void {
  tf.tidy(() => void tf.slice(tf.reshape(x, [-1]), 0, 1).dataSync());
}

/** What the contenders of one shape have in common. */
export interface Hosted {
  readonly data: BenchData;
  readonly tensors: SharedTensors;
  /** Where TensorFlow runs. */
  readonly device: BenchDevice;
}

/** Every op fused and composed, and the stock ops, inside tfjs-node: one contender a pass. */
export function tensorflowContenders(
  ops: readonly Op[],
  passes: readonly TensorflowPass[],
  hosted: Hosted,
): Contender[] {
  const { data } = hosted;
  const own = ops.map((op) => ({ op, opCase: new OpCase(op, data) }));
  const stock = stockOps.map((op) => ({ op, opCase: new OpCase(op, data) }));
  return passes.flatMap((pass) => [
    ...own.flatMap(({ op, opCase }) => {
      const run = (inputs: readonly tf.Tensor[]) => runOp(op, inputs, opCase.scalars);
      const of = { ...hosted, label: op.label, opCase, pass, run };
      const reference = contender({ ...of, variant: 'reference', call: unfused });
      if (tf.getKernel(op.kernelName, 'tensorflow') == null) return [reference];
      return [contender({ ...of, variant: 'fused', call: (f) => f() }), reference];
    }),
    ...stock.map(({ op, opCase }) => {
      const run = (inputs: readonly tf.Tensor[]) => tf.tidy(() => op.composed(inputs, opCase.scalars)[0]!);
      return contender({ ...hosted, label: op.label, opCase, pass, run, variant: 'stock', call: (f) => f() });
    }),
  ]);
}

interface Definition extends Hosted {
  readonly label: string;
  readonly variant: 'fused' | 'reference' | 'stock';
  readonly pass: TensorflowPass;
  readonly opCase: OpCase;
  readonly run: (inputs: readonly tf.Tensor[]) => tf.Tensor;
  /** Runs a whole call, gradient included. */
  readonly call: <T>(f: () => T) => T;
}

function contender({ label, variant, pass, opCase, tensors, device, run, call }: Definition): Contender {
  const outputs = (): tf.Tensor[] => {
    const inputs = opCase.inputs.map((values) => tensors.get(values));
    if (pass === 'forward') return [call(() => run(inputs))];
    return call(() => tf.grads((...xs) => run(xs))(inputs, tensors.get(opCase.dy)));
  };
  const bound = variant === 'fused' ? FUSED_BOUND : COMPOSED_BOUND;
  return {
    identity: identity(opCase, label, variant, pass, device),
    bytes: opCase.bytes(pass),
    check: () => {
      const made = outputs();
      try {
        for (const [i, expected] of opCase.expected(pass).entries()) {
          const name = pass === 'forward' ? 'y' : `d${opCase.op.inputs[i]}`;
          const wrong = disagreement(made[i]!.dataSync<'float32'>(), expected, bound);
          if (wrong !== undefined) return `${name} ${wrong}`;
        }
        return undefined;
      } finally {
        tf.dispose(made);
      }
    },
    ...(device === 'cpu' ? { run: () => tf.dispose(outputs()) } : awaited(outputs)),
  };
}

/** Runs on a GPU return before their work is done: the last result of a sample is waited for. */
function awaited(outputs: () => tf.Tensor[]): Pick<Contender, 'run' | 'finish'> {
  let last: tf.Tensor[] = [];
  return {
    run: () => {
      tf.dispose(last);
      last = outputs();
    },
    finish: () => {
      awaitTensor(last[0]!);
      tf.dispose(last);
      last = [];
    },
  };
}

function identity(
  opCase: OpCase,
  label: string,
  variant: RowIdentity['variant'],
  pass: TensorflowPass,
  device: BenchDevice,
): RowIdentity {
  const { op, data } = opCase;
  const where = { ...data.shape, dtype: data.dtype, device, backend: 'tensorflow' } as const;
  const allocator = device === 'cpu' ? { allocator: allocatorOfProcess() } : {};
  return { op: op.name, label, pass, ...where, variant, ...allocator, traffic: opCase.traffic(pass) };
}
