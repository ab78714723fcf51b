import * as tf from '@tensorflow/tfjs-core';

/** What a node's forward pass leaves for its backward pass. */
export type Saved = Readonly<Record<string, readonly tf.Tensor[]>>;

/** What is saved, as the backward pass gets it: it may dispose of each tensor after its last use. */
export type Kept<S extends Saved> = { readonly [name in keyof S]: tf.Tensor[] };

/** Gradients by the names of their parameters. */
export type NamedGradients = [name: string, gradient: tf.Tensor][];

/** The gradients of a branch for its input n, and for its parameters. */
export type BranchGradients = { readonly dn: tf.Tensor; readonly gradients: NamedGradients };

/** What a branch gives by hand: its output, and what its backward pass needs beside n. */
export type BranchOutput = { readonly y: tf.Tensor; readonly saved: Saved };

type Run = (invocation: {
  forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor[];
  backwardsFunc: (dys: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>;
  inputs: Record<string, tf.Tensor>;
}) => tf.Tensor[];

/**
 * `tf.customGrad` for any number of outputs: one node of the tape, with a gradient of its own.
 *
 * @param inputs those that have gradients
 * @param forward runs off the tape. Its temporaries are disposed of
 * @param backward gives a gradient for each input from one for each output
 */
export function node<S extends Saved>(
  inputs: readonly tf.Tensor[],
  forward: () => { outputs: tf.Tensor[]; saved: S },
  backward: (saved: Kept<S>, dys: tf.Tensor[]) => tf.Tensor[],
): tf.Tensor[] {
  let layout: (readonly [name: string, count: number])[] = [];
  // What tf.customGrad itself calls; that it has one output is a check in tf.customGrad alone.
  const engine = tf.engine() as unknown as { runKernelFunc: Run };
  return engine.runKernelFunc({
    inputs: Object.fromEntries(inputs.map((input, i) => [i, input])),
    forwardFunc: (_backend, save) => {
      const { outputs, saved } = forward();
      layout = Object.entries(saved).map(([name, tensors]) => [name, tensors.length]);
      save(Object.values(saved).flat());
      return outputs;
    },
    backwardsFunc: (dys, list) => {
      const rest = [...list];
      const saved = Object.fromEntries(layout.map(([name, count]) => [name, rest.splice(0, count)]));
      const given = Array.isArray(dys) ? dys : [dys];
      // Here and not in the functions below, of each of which tfjs would dispose what the others need.
      const gradients = tf.tidy(() => backward(saved as Kept<S>, given));
      return Object.fromEntries(gradients.map((gradient, i) => [i, () => gradient]));
    },
  });
}
