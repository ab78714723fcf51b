import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { type CommandResult, runCommand } from '../../src/common/command.js';
import { peersPython } from '../../tools/python.js';
import { readVectors, tensorsUnder, vectorNames } from '../model/vectors/read.js';
import { ROOT, removeFolders, temporaryFolder, writeFiles } from '../tensorflow/link-harness.js';
import { hasPython, PEERS } from './python.js';

const MAKE = join(ROOT, 'test', 'model', 'vectors', 'make.py');
const [TRAIN, GENERATE] = [join(PEERS, 'pytorch_train.py'), join(PEERS, 'pytorch_generate.py')];

if (!hasPython) console.warn('skipped: the transformer in PyTorch: there is no python3');
const python = hasPython ? await peersPython() : 'python3';
const hasTorch = hasPython && (await runCommand(python, ['-c', 'import torch'])).status === 0;
if (!hasTorch)
  console.warn('skipped: the transformer in PyTorch: no PyTorch; npm run bench:peers -- --install');

const { texts, tensors } = readVectors('adamw');
const [steps, batch, words] = tensors.get('batches')!.shape as [number, number, number];
const folder = temporaryFolder();
const file = (name: string): string => join(folder, name);
beforeAll(() => {
  writeFiles(folder, { 'config.json': texts.config!, 'recipe.json': texts.recipe! });
  writeFileSync(file('batches'), new Uint8Array(tensors.get('batches')!.values.buffer));
});
afterAll(removeFolders);

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
  return runCommand(python, ['-B', ...args], { ...process.env, PYTHONPATH: PEERS, ...env });
}

/** The line of JSON that a script, or `-c` and a program, prints. */
async function lineOf<T>(args: readonly string[]): Promise<T> {
  const { status, stdout, stderr } = await run(args);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

const model = ['--config', file('config.json'), '--threads', '1'];
const training = (more: readonly string[]): string[] => [
  ...[TRAIN, ...model, '--recipe', file('recipe.json'), '--batch', String(batch)],
  ...['--time', String(words - 1), ...more],
];

describe('the vectors', () => {
  test.each(vectorNames)('%s are whole: finite, and as many as their shapes say', (name) => {
    const vectors = readVectors(name);
    for (const [key, { shape, values }] of vectors.tensors) {
      expect(values.length, key).toBe(shape.reduce((product, length) => product * length, 1));
      expect(values.every(Number.isFinite), key).toBe(true);
    }
    const shapesOf = (prefix: string) =>
      [...tensorsUnder(vectors, prefix)].map(([key, { shape }]) => [key, shape]);
    const parameters = shapesOf('parameters');
    expect(parameters.length).toBeGreaterThan(15);
    expect(shapesOf(name === 'adamw' ? 'trained' : 'gradients')).toEqual(parameters);
    expect(activationRows.map((row) => row.name)).toContain(JSON.parse(vectors.texts.config!).activation);
  });
});

describe.skipIf(!hasPython)('without PyTorch', () => {
  test.each([
    ['vectors', MAKE],
    ['peers', TRAIN],
    ['peers', GENERATE],
  ])('%s: %s says that it is skipped, and succeeds', async (who, script) => {
    const PYTHONPATH = temporaryFolder();
    writeFiles(PYTHONPATH, { 'torch.py': 'raise ImportError("not here")\n' });
    const { status, stdout, stderr } = await run([script], { PYTHONPATH });
    expect(status, stderr).toBe(0);
    expect(stdout).toBe(
      `${who}: skipped: PyTorch cannot be imported (not here); remedy: npm run bench:peers -- --install\n`,
    );
  });
});

describe.skipIf(!hasTorch)('the transformer in PyTorch', () => {
  test('gives the vectors that are stored', async () => {
    const { status, stdout, stderr } = await run([MAKE, '--check']);
    expect([status, stdout], stderr).toEqual([0, 'vectors: all agree\n']);
  });

  test('finds a vector out that is off', async () => {
    const found = await lineOf<string[][]>([
      '-c',
      `
import json, sys
sys.path.insert(0, sys.argv[1])
import make
from safetensors_file import read_safetensors
found = []
for name, key in (("mixture", "gradients/model.layers.0.mlp.gate.weight"), ("adamw", "trained/model.norm.weight")):
    tensors, texts = read_safetensors(make.HERE / f"{name}.safetensors")
    tensors[key].view(-1)[0] += 1e-3 * tensors[key].norm()
    found.append(make.disagreements(tensors, texts))
    del tensors[key]
    found.append(make.disagreements(tensors, texts))
print(json.dumps(found))`,
      join(MAKE, '..'),
    ]);
    expect(found).toEqual([
      [expect.stringMatching(/^gradients\/model\.layers\.0\.mlp\.gate\.weight is off by 1/)],
      ['no gradients/model.layers.0.mlp.gate.weight'],
      [expect.stringMatching(/^trained\/model\.norm\.weight is off by 1/)],
      ['no trained/model.norm.weight'],
    ]);
  });

  test('has every activation, dense and mixed, and gives the same logits from a cache', async () => {
    const program = `
import json, sys, torch
from model_config import config_of
from pytorch_model import Cache, Transformer
base = json.loads(sys.argv[1])
tokens = torch.arange(14).view(2, 7)
worst, counts = 0.0, []
for activation in json.loads(sys.argv[2]):
    for experts in (None, {"count": 4, "active": 2, "coefficients": "expert", "normalised": True,
                           "balanceWeight": 0.01, "zWeight": 0.001}):
        model = Transformer(config_of({**base, "activation": activation, "experts": experts}), dtype=torch.float64)
        gradients = torch.autograd.grad(model.losses(tokens, tokens)["loss"], list(model.parameters()))
        counts.append(sum(1 for gradient in gradients if gradient.norm() > 0) == len(gradients))
        cache = Cache(model.config, 2, torch.float64)
        with torch.no_grad():
            whole = model(tokens)[0]
            parts = [model(part, cache)[0] for part in tokens.split([3, 3, 1], 1)]
        worst = max(worst, (torch.cat(parts, 1) - whole).norm().item() / whole.norm().item())
print(json.dumps([worst, counts]))`;
    const names = activationRows.map(({ name }) => name);
    const [worst, whole] = await lineOf<[number, boolean[]]>([
      ...['-c', program, texts.config!],
      JSON.stringify(names),
    ]);
    expect(worst).toBeLessThan(1e-12);
    expect(whole).toEqual(names.flatMap(() => [true, true]));
  });

  test('trains as the vectors say, on batches in the order given', async () => {
    await run([
      '-c',
      `
import sys
from safetensors_file import read_safetensors, write_safetensors
tensors, _ = read_safetensors(sys.argv[1])
start = {name[11:]: tensor for name, tensor in tensors.items() if name.startswith("parameters/")}
write_safetensors(sys.argv[2], start, {})`,
      join(MAKE, '..', 'adamw.safetensors'),
      file('start.safetensors'),
    ]);
    const given = ['--parameters', file('start.safetensors'), '--data', file('batches')];
    const line = await lineOf<{ losses: number[] }>(
      training([...given, '--heldout', file('batches'), '--save', file('end.safetensors')]),
    );
    expect(line).toMatchObject({
      peer: 'pytorch-eager',
      threads: 1,
      samples: steps / 2,
      heldout_loss: expect.closeTo(2.926, 2),
      tok_per_s: expect.any(Number),
      ms_p50: expect.any(Number),
      ms_forward: expect.any(Number),
      ms_backward: expect.any(Number),
      ms_optimizer: expect.any(Number),
      peak_bytes: expect.any(Number),
    });
    const wanted = Array.from(tensors.get('loss')!.values);
    const off = line.losses.map((loss, i) => Math.abs(loss / wanted[i]! - 1));
    expect(off.length).toBe(steps);
    expect(Math.max(...off)).toBeLessThan(1e-4);
    expect(readFileSync(file('end.safetensors')).length).toBeGreaterThan(40_000);
  });

  test('trains on the bytes of a text, and learns', async () => {
    writeFileSync(file('text'), Buffer.from(Array.from({ length: 600 }, (_, i) => i % 10)));
    const line = await lineOf<{ losses: number[] }>(training(['--data', file('text'), '--format', 'u8']));
    expect(line.losses.length).toBe(steps);
    expect(line.losses.at(-1)).toBeLessThan(0.9 * line.losses[0]!);
  });

  test('generates the same for one prompt as among others', async () => {
    const generate = async (rows: readonly number[][]) => {
      writeFileSync(file('prompts'), new Uint8Array(Int32Array.from(rows.flat()).buffer));
      const prompts = ['--prompts', file('prompts'), '--batch', String(rows.length), '--length', '3'];
      const line = await lineOf<{ tokens: number[][] }>([GENERATE, ...model, ...prompts, '--new', '5']);
      expect(line).toMatchObject({
        prefill_tok_per_s: expect.any(Number),
        decode_tok_per_s: expect.any(Number),
      });
      return line.tokens;
    };
    const both = await generate([
      [1, 2, 3],
      [30, 20, 10],
    ]);
    expect(both[1]).toHaveLength(5);
    expect(await generate([[30, 20, 10]])).toEqual([both[1]]);
  });

  test('says what is wrong with files and options', async () => {
    const data = ['--data', file('batches')];
    const cases: [args: string[], message: string][] = [
      [training([...data, '--steps', '11']), '11 steps of a schedule of 10'],
      [training([...data, '--time', '14']), 'no multiple of 8 x 15'],
      [training([...data, '--time', '17']), 'sequences of 17 tokens; expected 16 at most'],
      [training(['--data', TRAIN, '--format', 'u8']), 'index out of range'],
      [training(['--data', file('nothing')]), 'No such file'],
      [training([...data, '--config', file('recipe.json')]), 'unknown fields of Config: betas'],
      [
        training([...data, '--parameters', join(MAKE, '..', 'gated.safetensors')]),
        'parameter model.embed_tokens.weight is none; expected (40, 24)',
      ],
      [[GENERATE, ...model, '--length', '10', '--new', '10'], 'at most 16 in all'],
    ];
    const program = `
import contextlib, io, json, runpy, sys
said = []
for sys.argv in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        try: runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end: said.append([end.code, stderr.getvalue()])
print(json.dumps(said))`;
    const said = await lineOf(['-c', program, JSON.stringify(cases.map(([args]) => args))]);
    const wanted = cases.map(([, message]) => [1, expect.stringContaining(message)]);
    expect(said).toEqual(wanted);
    expect(said).toEqual(cases.map(() => [1, expect.stringMatching(/^peers: .*\n$/)]));
  });
});
