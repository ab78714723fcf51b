import '@tensorflow/tfjs';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Json, saveCheckpoint } from '../../src/checkpoint/folder.js';
import { PolycomError } from '../../src/common/errors.js';
import { byteTokenizer } from '../../src/data/bytes.js';
import { bordersOf } from '../../src/generate/borders.js';
import { loadModel } from '../../src/generate/load.js';
import { parametersOf } from '../checkpoint/parameters.js';
import { configs, exported, place, trained } from './folders.js';

beforeAll(() => tf.setBackend('cpu'));

describe.each(['llama', 'mixture'] as const)('a model (%s) is read', (kind) => {
  const config = configs[kind];
  const wanted = parametersOf(config);

  async function expectModel(path: string, step: number | undefined, sign = 1): Promise<void> {
    const { model, tokenizer, folder, ...rest } = await loadModel(path);
    expect(model.config).toEqual(config);
    for (const [name, variable] of model.parameters) {
      expect(variable.dataSync(), name).toEqual(wanted.get(name)!.data.map((x) => sign * x));
    }
    expect(tokenizer.name).toBe('bytes');
    expect(rest).toEqual(step === undefined ? { ends: [256] } : { step });
    expect(folder).toBe(
      step === undefined || path.includes('step-') ? path : join(path, `step-000000${step}`),
    );
    model.dispose();
  }

  test.each(['ours', 'huggingface'] as const)(
    'from a training run and its steps: configuration %s',
    async (form) => {
      const run = await trained(`run-${kind}-${form}`, config, form);
      await expectModel(run, 20);
      await expectModel(join(run, 'step-00000010'), 10, -1);
      await expectModel(join(run, 'step-00000020'), 20);
    },
  );

  test('from an export in Hugging Face’s form', async () => {
    await expectModel(await exported(`export-${kind}`, config), undefined);
  });
});

describe('errors say what is wrong', () => {
  async function expectError(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
    const error = await work.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(PolycomError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  }

  test('where there is no model', async () => {
    await expectError(
      loadModel(place('nowhere')),
      'FILE_ERROR',
      /nowhere is not there\n.*polycom train --out/,
    );
    mkdirSync(place('empty'));
    await expectError(loadModel(place('empty')), 'FILE_ERROR', /empty holds no model/);
  });

  test('where there is no tokenizer; one that is named is taken', async () => {
    const path = await exported('no-tokenizer', configs.llama);
    rmSync(join(path, 'tokenizer.json'));
    await expectError(loadModel(path), 'INVALID_ARGUMENT', /no tokenizer\.json in .*\n.*'bytes'/);
    const { model, tokenizer } = await loadModel(path, { tokenizer: 'bytes' });
    expect(tokenizer.name).toBe('bytes');
    model.dispose();
  });

  test('where a checkpoint has no configuration of a model, or not its weights', async () => {
    const save = async (name: string, config: Json | undefined, model = parametersOf(configs.llama)) => {
      const checkpoint = { model, optimizer: new Map(), state: null };
      await saveCheckpoint(place(name), 1, config === undefined ? checkpoint : { ...checkpoint, config });
      await byteTokenizer.save!(place(name));
      return place(name);
    };
    const config = configs.llama as unknown as Json;
    const odd = { ...configs.llama, kvHeads: 5 } as unknown as Json;
    const lacking = parametersOf(configs.llama);
    lacking.delete('model.norm.weight');
    await expectError(
      loadModel(await save('none', undefined)),
      'INVALID_FILE',
      /config\.json: it describes no model/,
    );
    await expectError(loadModel(await save('odd', odd)), 'INVALID_FILE', /no model: .*kvHeads is 5/);
    await expectError(
      loadModel(await save('lacking', config, lacking)),
      'INVALID_FILE',
      /step-00000001: its weights lack model\.norm\.weight/,
    );
    expect(tf.memory().numTensors).toBe(0);
  });
});

describe('the borders of a Hugging Face folder', () => {
  const files = (name: string, contents: Record<string, unknown>): string => {
    mkdirSync(place(name));
    for (const [file, json] of Object.entries(contents)) {
      writeFileSync(join(place(name), `${file}.json`), JSON.stringify(json));
    }
    return place(name);
  };
  const template = {
    type: 'TemplateProcessing',
    single: [
      { SpecialToken: { id: '<s>', type_id: 0 } },
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '</s>' } },
    ],
    special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] }, '</s>': { ids: [2] } },
  };

  test('are what the tokenizer puts before a text, and what ends it', async () => {
    const config = { bos_token_id: 1, eos_token_id: 2 };
    const llama = files('llama2', { config, tokenizer: { post_processor: template } });
    expect(await bordersOf(llama, 260)).toEqual({ begin: [1], ends: [2] });
    const processors = { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template] };
    const later = files('llama3', {
      config,
      tokenizer: { post_processor: processors },
      generation_config: { eos_token_id: [2, 9] },
    });
    expect(await bordersOf(later, 260)).toEqual({ begin: [1], ends: [2, 9] });
  });

  test('are none where none are declared', async () => {
    const config = { bos_token_id: 1 };
    expect(
      await bordersOf(files('plain', { config, tokenizer: { post_processor: { type: 'ByteLevel' } } }), 260),
    ).toEqual({});
    const ours = { bos_token_id: null, eos_token_id: null };
    const none = files('ours', { config: ours, tokenizer: { post_processor: template } });
    expect(await bordersOf(none, 260)).toEqual({});
    expect(await bordersOf(files('bare', {}), 260)).toEqual({});
  });

  let absurd = 0;
  test.each([-1, 260, 1e15, 1.5, '2', [2, null], { id: 2 }, [[2]]])(
    'are tokens of the model, not %j',
    async (id) => {
      const remedy = expect.stringMatching(/null is for none/);
      const message = expect.stringMatching(
        /config\.json: eos_token_id: it is .*; expected tokens from 0 to 259/,
      );
      for (const name of ['config', 'generation_config']) {
        const folder = files(`absurd-${++absurd}`, { [name]: { eos_token_id: id } });
        await expect(bordersOf(folder, 260)).rejects.toMatchObject({ code: 'INVALID_FILE', message, remedy });
      }
    },
  );
});
