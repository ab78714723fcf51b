import * as tf from '@tensorflow/tfjs-core';
import { labelOf } from '../activations/labels.js';
import { runOp, unfused } from '../op/run.js';
import type { FusedOp } from '../op/types.js';
import { type Checked, COMPOSED_BOUND, disagreement, FUSED_BOUND, OpCase } from './check.js';
import type { Contender } from './contender.js';
import type { BenchData, Values } from './data.js';
import { stockOps } from './stock.js';
import type { Allocator, RowIdentity } from './types.js';

/** A pass that tfjs-node can time. */
export type TensorflowPass = 'forward' | 'forward_backward';

/** The tensors that the contenders of one shape share; dispose of them after those. */
export class SharedTensors {
  readonly #tensors = new Map<Values, tf.Tensor>();

  /** Values as a tensor, which on the CPU shares their memory. */
  get(values: Values): tf.Tensor {
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

/** Every op fused and composed, and the stock ops, inside tfjs-node: one contender a pass. */
export function tensorflowContenders(
  ops: readonly FusedOp[],
  passes: readonly TensorflowPass[],
  data: BenchData,
  tensors: SharedTensors,
): Contender[] {
  const own = ops.map((op) => ({ op, opCase: new OpCase(op, data) }));
  const stock = stockOps.map((op) => ({ op, opCase: new OpCase(op, data) }));
  return passes.flatMap((pass) => [
    ...own.flatMap(({ op, opCase }) => {
      const run = (inputs: readonly tf.Tensor[]) => runOp(op, inputs, opCase.scalars);
      const of = { label: labelOf(op.name), opCase, pass, tensors, run };
      const reference = contender({ ...of, variant: 'reference', call: unfused });
      if (tf.getKernel(op.kernelName, 'tensorflow') == null) return [reference];
      return [contender({ ...of, variant: 'fused', call: (f) => f() }), reference];
    }),
    ...stock.map(({ op, opCase }) => {
      const run = (inputs: readonly tf.Tensor[]) => tf.tidy(() => op.composed(inputs, {}));
      return contender({
        label: op.label,
        opCase,
        pass,
        tensors,
        run,
        variant: 'stock',
        call: (f) => f(),
      });
    }),
  ]);
}

interface Definition {
  readonly label: string;
  readonly variant: 'fused' | 'reference' | 'stock';
  readonly pass: TensorflowPass;
  readonly opCase: OpCase;
  readonly tensors: SharedTensors;
  readonly run: (inputs: readonly tf.Tensor[]) => tf.Tensor;
  /** Runs a whole call, gradient included. */
  readonly call: <T>(f: () => T) => T;
}

function contender({ label, variant, pass, opCase, tensors, run, call }: Definition): Contender {
  const outputs = (): tf.Tensor[] => {
    const inputs = opCase.inputs.map((values) => tensors.get(values));
    if (pass === 'forward') return [call(() => run(inputs))];
    return call(() => tf.grads((...xs) => run(xs))(inputs, tensors.get(opCase.dy)));
  };
  const bound = variant === 'fused' ? FUSED_BOUND : COMPOSED_BOUND;
  return {
    identity: identity(opCase.op, label, variant, pass, opCase.data),
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
    run: () => tf.dispose(outputs()),
  };
}

function identity(
  { name }: Checked,
  label: string,
  variant: RowIdentity['variant'],
  pass: TensorflowPass,
  { shape, dtype }: BenchData,
): RowIdentity {
  const allocator = allocatorOfProcess();
  const where = { device: 'cpu', backend: 'tensorflow' } as const;
  return { op: name, label, pass, ...shape, dtype, ...where, variant, allocator };
}
