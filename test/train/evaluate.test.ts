import './harness.js';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TokenSource } from '../../src/data/shards.js';
import type { Tokenizer } from '../../src/data/tokenizer.js';
import { type LoadedModel, loadModel } from '../../src/generate/load.js';
import { sequencesAtOnce } from '../../src/model/at-once.js';
import { headScores } from '../../src/model/head.js';
import { measurePeak } from '../../src/model/peak.js';
import { configOf } from '../../src/model/presets.js';
import { Transformer } from '../../src/model/transformer.js';
import { hasKernel } from '../../src/op/run.js';
import { evaluate } from '../../src/train/evaluate.js';
import { peersPython } from '../../tools/python.js';
import { BEGIN, END, sentencePieceLlama } from '../generate/sentencepiece.js';
import { backends, smallModel } from './harness.js';

const library = await import('@huggingface/tokenizers').catch(() => undefined);
if (library === undefined) console.warn('skipped: evaluations of a LLaMA: no @huggingface/tokenizers');

/** Characters of one to four bytes, most of which are tokens of a byte each. */
const TEXT = 'the was the\nété the 漢字 was 😀 the\nonce the was the was\n日本 the end\nthe 😀😀 was the\n';

function sourceOf(tokens: readonly number[], vocabulary: number): TokenSource {
  const read = (start: number, into: Int32Array) => into.set(tokens.slice(start, start + into.length));
  return { length: tokens.length, vocabulary, read, close: () => undefined };
}

function textSource(tokenizer: Tokenizer): TokenSource {
  return sourceOf([...tokenizer.encode(TEXT), END], tokenizer.vocabulary);
}

/**
 * What PyTorch's LlamaForCausalLM, in f64, and Python's tokenizers say of the text: the mean loss of windows without and
 * behind `<s>`, and the bytes of the targets' pieces. By tokens of a window.
 */
const WANTED: Readonly<Record<number, { without: number; behind: number; bytes: number }>> = {
  7: { without: 5.741144634106973, behind: 5.737420118806463, bytes: 86 },
  16: { without: 5.712287972526783, behind: 5.71049800509153, bytes: 78 },
};

describe.skipIf(library === undefined)('a LLaMA whose folder declares a begin token', () => {
  let path = '';
  let loaded: LoadedModel;
  beforeAll(async () => {
    await tf.setBackend(backends[0]!);
    path = await sentencePieceLlama('begin', 'waves');
    loaded = await loadModel(path);
  });
  afterAll(() => loaded.model.dispose());

  test.each(Object.keys(WANTED).map(Number))(
    'windows of %d tokens: loss and bits are those of PyTorch',
    async (time) => {
      const { model, tokenizer, begin } = loaded;
      expect(begin).toEqual([BEGIN]);
      const { without, behind, bytes } = WANTED[time]!;
      for (const batch of [1, 2, 8]) {
        const options = { batch, time, tokenizer };
        const plain = await evaluate(model, textSource(tokenizer), options);
        const begun = await evaluate(model, textSource(tokenizer), { ...options, begin: begin! });
        expect(plain.tokens).toBe(begun.tokens);
        expect(Math.abs(plain.loss - without)).toBeLessThan(1e-6);
        expect(Math.abs(begun.loss - behind)).toBeLessThan(1e-6);
        expect(begun.bitsPerByte).toBeCloseTo((begun.loss * begun.tokens) / Math.LN2 / bytes, 12);
      }
    },
  );

  test('a window that begins with it has it once', async () => {
    const { model, tokenizer } = loaded;
    const ids = [...tokenizer.encode(TEXT)].slice(0, 9);
    const once = await evaluate(model, sourceOf([BEGIN, ...ids], tokenizer.vocabulary), {
      batch: 1,
      time: 9,
      begin: [BEGIN],
    });
    const plain = await evaluate(model, sourceOf([BEGIN, ...ids], tokenizer.vocabulary), {
      batch: 1,
      time: 9,
    });
    expect(once.loss).toBeCloseTo(plain.loss, 6);
    expect(once.tokens).toBe(9);
  });

  test('the context has room for it, or the error says how long a window may be', async () => {
    const { model, tokenizer } = loaded;
    const source = sourceOf([...tokenizer.encode(TEXT.repeat(3))], tokenizer.vocabulary);
    const options = { batch: 1, batches: 1, begin: [BEGIN] };
    expect((await evaluate(model, source, { ...options, time: 63 })).tokens).toBe(63);
    await expect(evaluate(model, source, { ...options, time: 64 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /time is 64; expected at most 63: .* context has room for 64 tokens, of which 1 begins each window\n.*--time 63/,
      ),
    });
    await expect(evaluate(model, source, { batch: 1, time: 65 })).rejects.toThrow(/time is 65; .*most 64:/);
    await expect(evaluate(model, source, { ...options, time: 8, begin: [999] })).rejects.toThrow(/token 999/);
  });

  test('the constants are what PyTorch says today', async (context) => {
    const python = await peersPython('torch', 'transformers', 'tokenizers');
    const run = spawnSync(python, ['-c', PYTHON, path, TEXT, ...Object.keys(WANTED)], {
      encoding: 'utf8',
      env: { ...process.env, HF_HUB_OFFLINE: '1', HF_HOME: join(path, 'hf') },
    });
    if (/ModuleNotFoundError/.test(run.stderr) || run.error !== undefined) {
      context.skip(`${python} lacks torch, transformers or tokenizers`);
    }
    expect(run.status, run.stderr).toBe(0);
    const found = JSON.parse(run.stdout) as typeof WANTED;
    for (const [time, { without, behind, bytes }] of Object.entries(WANTED)) {
      expect(found[Number(time)]!.without).toBeCloseTo(without, 10);
      expect(found[Number(time)]!.behind).toBeCloseTo(behind, 10);
      expect(found[Number(time)]!.bytes).toBe(bytes);
    }
  });
});

const PYTHON = `
import json, sys, torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM
path, text, *times = sys.argv[1:]
tokenizer = Tokenizer.from_file(path + '/tokenizer.json')
model = LlamaForCausalLM.from_pretrained(path, dtype=torch.float64).eval()
ids = tokenizer.encode(text, add_special_tokens=False).ids + [${END}]
def bytes_of(id):
    piece = tokenizer.id_to_token(id)
    if id <= ${END}: return 0
    return 1 if piece.startswith('<0x') else len(piece.replace('\\u2581', ' ').encode())
def loss(time, begin):
    nats = 0
    count = (len(ids) - 1) // time * time
    for at in range(0, count, time):
        with torch.no_grad():
            logits = model(torch.tensor([begin + ids[at:at + time]])).logits[0, len(begin):]
        nats += torch.nn.functional.cross_entropy(logits, torch.tensor(ids[at + 1:at + time + 1]), reduction='sum').item()
    return nats / count
def all(time):
    count = (len(ids) - 1) // time * time
    return {'without': loss(time, []), 'behind': loss(time, [${BEGIN}]), 'bytes': sum(map(bytes_of, ids[1:count + 1]))}
print(json.dumps({time: all(int(time)) for time in times}))
`;

describe.each(backends)('logits of a part of the rows at a time, on %s', (backend) => {
  beforeAll(() => tf.setBackend(backend));

  test('score as those of all rows do, in less memory', () => {
    const [rows, vocabulary, width] = [50, 400, 8];
    const wave = (size: number, step: number) =>
      Float32Array.from({ length: size }, (_, i) => Math.sin(i * step));
    const x = tf.tensor2d(wave(rows * width, 0.7), [rows, width]);
    const weights = {
      norm: tf.ones([width]),
      output: tf.tensor2d(wave(vocabulary * width, 1.3), [vocabulary, width]),
    };
    const targets = Int32Array.from({ length: rows }, (_, i) => (i % 5 === 3 ? -1 : (i * 37) % vocabulary));
    const measured = [rows, 7, 1].map((most) =>
      measurePeak(() => headScores(x, weights, targets, 1e-6, true, 4 * vocabulary * most)),
    );
    const [whole, ...parts] = measured.map(({ result }) => [
      result.losses.dataSync(),
      result.best!.dataSync(),
    ]);
    expect(whole![0]).toHaveLength(40);
    for (const [losses, best] of parts) {
      expect(best).toEqual(whole![1]);
      for (const [i, loss] of losses!.entries()) expect(Math.abs(loss - whole![0]![i]!)).toBeLessThan(1e-6);
    }
    const [all, seven, one] = measured.map(({ peakBytes }) => peakBytes);
    expect(seven!).toBeLessThan(all! / 4);
    expect(one!).toBeLessThan(seven! / 3);
    tf.dispose([
      x,
      weights.norm,
      weights.output,
      measured.map(({ result }) => Object.values(result)),
    ] as tf.TensorContainer);
  });

  test('an evaluation leaves nothing behind, and is the same for any number of windows at once', async () => {
    const model = Transformer.create(smallModel('tiny'));
    const source = sourceOf(
      [...Array(100).keys()].map((i) => (i * i) % 16),
      16,
    );
    const losses = [];
    for (const batch of [3, 3, 1]) {
      const before = tf.memory().numTensors;
      losses.push((await evaluate(model, source, { batch, time: 8 })).loss);
      if (losses.length === 2) expect(tf.memory().numTensors).toBe(before);
    }
    expect(losses[2]).toBeCloseTo(losses[0]!, 6);
    model.dispose();
  });
});

test('a large vocabulary does not decide what memory scores take', async (context) => {
  if (!backends.includes('tensorflow'))
    return context.skip('there is no tfjs-node; in JavaScript it takes minutes');
  await tf.setBackend('tensorflow');
  // 1024 rows of 70,000 logits: 287 MB, of which 134 MB may be there at once.
  const [vocabulary, batch, time] = [70_000, 4, 256];
  const model = Transformer.create(smallModel('tiny', { vocabulary, layers: 1, context: time }), { seed: 2 });
  const words = (salt: number) =>
    Int32Array.from({ length: batch * time }, (_, i) => (i * i * 7 + i * salt) % vocabulary);
  const tokens = tf.tensor2d(words(3), [batch, time], 'int32');
  const { crossEntropy } = model.loss(tokens, tf.tensor2d(words(5), [batch, time], 'int32'));
  const { result, peakBytes } = measurePeak(() => model.score(tokens, words(5)).losses);
  const losses = [...result.dataSync<'float32'>()];
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  expect(losses).toHaveLength(batch * time);
  expect(Math.abs(mean - crossEntropy.dataSync()[0]!)).toBeLessThan(1e-6);
  // Composed, cross-entropy makes five or six tensors of the logits' size.
  expect(peakBytes).toBeLessThan(hasKernel('CrossEntropy') ? 1.6e8 : 8e8);
  model.dispose();
});

test('windows at once are as many as fit memory, and one at least', () => {
  const llama = {
    vocabulary: 128_256,
    width: 4096,
    layers: 32,
    heads: 32,
    kvHeads: 8,
    headWidth: 128,
    hidden: 14_336,
  };
  const large = configOf('tiny', { ...llama, activation: 'swiglu', context: 8192 });
  expect(sequencesAtOnce(large, 8, 8192)).toBe(1);
  expect(sequencesAtOnce(large, 8, 512)).toBe(2);
  expect(sequencesAtOnce(configOf('small'), 8, 256)).toBe(8);
});

test('what is to be scored is checked', () => {
  const model = Transformer.create(smallModel('tiny'));
  const tokens = tf.tensor2d([[1, 2]], [1, 2], 'int32');
  expect(() => model.score(tokens, Int32Array.of(1))).toThrow(/there are 1 targets; expected one for each/);
  expect(() => model.score(tokens, Int32Array.of(-1, -1))).toThrow(/no token has a target/);
  model.dispose();
});
