import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { allocateAligned } from '../../src/native/arguments.js';
import { normal } from '../../src/op/sample.js';
import { tensorflowStatus } from '../../src/tensorflow/index.js';
import { AdamW, decaysByDefault } from '../../src/train/optimizer.js';

const backend = tensorflowStatus.fused ? 'tensorflow' : 'cpu';
beforeAll(async () => void (await tf.setBackend(backend)));

function parameters(): Map<string, tf.Variable> {
  return new Map([
    ['w', tf.variable(tf.tensor(normal(12, 1), [3, 4]))],
    ['norm', tf.variable(tf.tensor(normal(4, 2), [4]))],
  ]);
}

const gradients = (seed: number, scale = 1) =>
  new Map([
    ['w', tf.tensor(normal(12, seed, scale), [3, 4])],
    ['norm', tf.tensor(normal(4, seed + 1, scale), [4])],
  ]);

const valuesOf = (all: ReadonlyMap<string, tf.Tensor>) => Array.from(all.values(), (t) => [...t.dataSync()]);

describe(`AdamW on ${backend}`, () => {
  test('clips the norm of all gradients together', () => {
    const [a, b] = [parameters(), parameters()];
    const [plain, clipped] = [new AdamW(a, { clip: 0 }), new AdamW(b, { clip: 1 })];
    const grads = gradients(5, 10);
    const { gradientNorm } = clipped.apply(grads, { learningRate: 0.1 });
    const norm = Math.hypot(...valuesOf(grads).flat());
    expect(gradientNorm / norm).toBeCloseTo(1, 6);
    plain.apply(grads, { learningRate: 0.1, scale: 1 / (norm + 1e-6) });
    for (const [i, values] of valuesOf(a).entries())
      for (const [k, value] of values.entries()) expect(valuesOf(b)[i]![k]).toBeCloseTo(value, 5);
  });

  test('decays matrices, but norms and embeddings only where it is asked to', () => {
    const all = parameters();
    const before = valuesOf(all);
    const zeros = new Map(Array.from(all, ([name, p]) => [name, tf.zerosLike(p)]));
    new AdamW(all, { weightDecay: 0.5 }).apply(zeros, { learningRate: 0.1 });
    const [w, norm] = valuesOf(all);
    for (const [i, value] of w!.entries()) expect(value).toBeCloseTo(before[0]![i]! * 0.95, 6);
    expect(norm).toEqual(before[1]);
    const table = tf.zeros([2, 2]);
    expect(decaysByDefault('model.embed_tokens.weight', table)).toBe(false);
    expect(decaysByDefault('model.embed_tokens.weight', table, true)).toBe(true);
  });

  test('changes nothing where a gradient is no number, and says so', () => {
    const all = parameters();
    const before = valuesOf(all);
    const optimizer = new AdamW(all);
    const bad = gradients(3);
    bad.set('norm', tf.tensor([1, Number.NaN, 0, 0]));
    expect(optimizer.apply(bad, { learningRate: 0.1 })).toEqual({ gradientNorm: Number.NaN, applied: false });
    expect(valuesOf(all)).toEqual(before);
    expect(optimizer.step).toBe(0);
  });

  test('goes on from its state to the same bits', () => {
    const [a, b] = [parameters(), parameters()];
    const [one, other] = [new AdamW(a), new AdamW(b)];
    for (let step = 0; step < 3; ++step) one.apply(gradients(step), { learningRate: 0.1 });
    const state = one.state();
    for (const [name, p] of b) p.assign(tf.clone(a.get(name)!).add(0) as tf.Tensor);
    other.restore(state);
    for (const optimizer of [one, other]) optimizer.apply(gradients(9), { learningRate: 0.1 });
    expect(valuesOf(b)).toEqual(valuesOf(a));
    expect(other.state()).toEqual(one.state());
    expect(() => new AdamW(new Map([['x', tf.variable(tf.zeros([2]))]])).restore(state)).toThrow(
      /no moments of x/,
    );
  });

  test('leaves nothing behind', () => {
    const all = parameters();
    const start = tf.memory().numTensors;
    const optimizer = new AdamW(all);
    const grads = gradients(1);
    const before = tf.memory().numTensors;
    for (let step = 0; step < 50; ++step) optimizer.apply(grads, { learningRate: 0.01 });
    expect(tf.memory().numTensors).toBe(before);
    optimizer.dispose();
    tf.dispose([...grads.values()]);
    expect(tf.memory().numTensors).toBe(start);
  });

  test('wants a gradient of the right shape for every parameter, and options in range', () => {
    const all = parameters();
    const some = gradients(1);
    some.delete('norm');
    expect(() => new AdamW(all).apply(some, { learningRate: 1 })).toThrow(/norm has no gradient/);
    some.set('norm', tf.zeros([5]));
    expect(() => new AdamW(all).apply(some, { learningRate: 1 })).toThrow(
      /shape \[5\] and dtype float32; expected one of \[4\]/,
    );
    expect(() => new AdamW(all, { betas: [1, 0.9] })).toThrow(
      /betas is \[1,0.9\]; expected two numbers from 0 to below 1/,
    );
    expect(() => new AdamW(all, { clip: Number.NaN })).toThrow(/clip is NaN/);
  });

  test('writes no memory but its own', () => {
    // Where TensorFlow takes an array's memory as it is, and makes no copy.
    const bytes = allocateAligned(4000);
    const array = new Float32Array(bytes.buffer, bytes.byteOffset, 1000).fill(1);
    const source = tf.tensor1d(array);
    const [p, other] = [tf.variable(source), tf.variable(source)];
    const optimizer = new AdamW(new Map([['p', p]]));
    const gradient = new Map([['p', tf.ones([1000])]]);
    const apply = () => optimizer.apply(gradient, { learningRate: 0.1 });
    apply();
    const first = p.dataSync()[0]!;
    expect(first).toBeCloseTo(0.9, 6);
    for (const shared of [array, source.dataSync(), other.dataSync()]) expect(shared[0]).toBe(1);
    const clone = p.clone();
    apply();
    expect(clone.dataSync()[0]).toBe(first);
    expect(p.dataSync()[0]).toBeCloseTo(0.8, 6);
    clone.dispose();
    apply();
    const { numTensors } = tf.memory();
    apply();
    // What was written in place is a new tensor, as compositions make them, and the old one is gone.
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  test('takes a state whole, or leaves its own as it was', () => {
    const optimizer = new AdamW(parameters());
    optimizer.apply(gradients(1), { learningRate: 0.1 });
    const before = optimizer.state();
    const sevens = new Map(
      Array.from(before.m, ([name, { length }]) => [name, new Float32Array(length).fill(7)]),
    );
    const half = new Map([...sevens].slice(0, 1));
    expect(() => optimizer.restore({ step: 3, m: sevens, v: half })).toThrow(/no moments of norm/);
    for (const step of [Number.NaN, -1, 1.5])
      expect(() => optimizer.restore({ step, m: sevens, v: sevens })).toThrow(/step is/);
    expect(optimizer.state()).toEqual(before);
  });

  test('steps on no bad number, and not after its end', () => {
    const optimizer = new AdamW(parameters());
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -1]) {
      expect(() => optimizer.apply(gradients(1), { learningRate: bad })).toThrow(/learningRate is/);
      expect(() => optimizer.apply(gradients(1), { learningRate: 1, scale: bad })).toThrow(/scale is/);
    }
    const integers = new Map([...gradients(1), ['norm', tf.zeros([4], 'int32')]]);
    expect(() => optimizer.apply(integers, { learningRate: 1 })).toThrow(/dtype int32; expected .* float32/);
    expect(optimizer.step).toBe(0);
    optimizer.dispose();
    expect(() => optimizer.apply(gradients(1), { learningRate: 1 })).toThrow(/has been disposed/);
  });
});
