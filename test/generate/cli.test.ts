import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { TextPrinter } from '../../src/cli/printer.js';
import { NO_TENSORFLOW, polycom } from '../cli/harness.js';
import { configs, exported, place, trained } from './folders.js';
import { sentencePieceLlama } from './sentencepiece.js';

const library = await import('@huggingface/tokenizers').catch(() => undefined);
if (library === undefined)
  console.warn('skipped: a LLaMA with its own tokenizer: no @huggingface/tokenizers');

let run = '';
let llama = '';
beforeAll(async () => {
  run = await trained('run', configs.mixture, 'ours');
  llama = await exported('llama', configs.llama);
});

/** Runs `polycom generate` on tfjs's own kernels, for which no TensorFlow is wanted. */
function generate(...args: string[]) {
  return polycom(['generate', ...args], { ...NO_TENSORFLOW, POLYCOM_QUIET: '1' });
}

interface Document {
  readonly seed: number;
  readonly tokens: number;
  readonly step?: number;
  readonly texts: { prompt: string; text: string; tokens: number; reason: string; seed: number }[];
}

function documentOf({ stdout }: { stdout: string }): Document {
  return JSON.parse(stdout) as Document;
}

test('the text goes to stdout, what is to be said of it to stderr', () => {
  const args = ['--model', llama, '--prompt', 'abc', '--tokens', '20', '--seed', '4', '--ignore-end'];
  const plain = generate(...args);
  expect(plain.status).toBe(0);
  expect(plain.stderr).toMatch(
    /^polycom: 20 tokens in \d+\.\d s, \d+ a second; seed 4; as many as --tokens allows\n$/,
  );
  const json = generate(...args, '--json', '--quiet');
  expect(json).toMatchObject({ status: 0, stderr: '' });
  const document = documentOf(json);
  expect(document).toMatchObject({
    schema: 1,
    model: llama,
    seed: 4,
    tokens: 20,
    tok_per_s: expect.any(Number),
  });
  const [text] = document.texts;
  expect(text).toMatchObject({ prompt: 'abc', tokens: 20, reason: 'tokens', seed: 4 });
  expect(plain.stdout).toBe(`${text!.text}\n`);
});

test('several texts follow each other; each can be had alone', () => {
  const file = place('prompt.txt');
  writeFileSync(file, 'été');
  const args = ['--model', run, '--prompt-file', file, '--tokens', '12', '--ignore-end', '--quiet'];
  const all = documentOf(generate(...args, '--seed', '7', '--samples', '3', '--json'));
  expect(all.step).toBe(20);
  expect(all.texts.map(({ prompt, seed }) => [prompt, seed])).toEqual([7, 8, 9].map((seed) => ['été', seed]));
  const shown = generate(...args, '--seed', '7', '--samples', '3').stdout;
  expect(shown).toBe(all.texts.map(({ text }, i) => `--- ${i + 1} of 3 ---\n${text}\n`).join(''));
  const alone = documentOf(generate(...args, '--seed', '9', '--json'));
  expect(alone.texts[0]).toEqual(all.texts[2]);
});

test.each(['a file', 'standard input'])(
  'a prompt of %s is without its byte order mark, and is UTF-8',
  (from) => {
    const read = (content: Uint8Array): ReturnType<typeof spawnSync> => {
      const file = place('prompt-bytes.txt');
      writeFileSync(file, content);
      const args = ['--prompt-file', from === 'a file' ? file : '-', '--tokens', '1', '--json', '--quiet'];
      return spawnSync(
        process.execPath,
        ['--import', 'tsx', 'src/cli/main.ts', 'generate', '--model', run, ...args],
        {
          input: content,
          cwd: fileURLToPath(new URL('../../', import.meta.url)),
          env: { ...process.env, ...NO_TENSORFLOW, POLYCOM_QUIET: '1', POLYCOM_LIBRARY: undefined },
          encoding: 'utf8',
        },
      );
    };
    const { stdout } = read(Buffer.from('\ufeffété'));
    expect(documentOf({ stdout: stdout.toString() }).texts[0]!.prompt).toBe('été');
    for (const bytes of [Buffer.from('été', 'utf16le'), Buffer.from('été', 'latin1')]) {
      const { status, stderr } = read(bytes);
      expect(status).toBe(1);
      expect(stderr).toMatch(
        /^polycom: .*(prompt-bytes\.txt|standard input) is no UTF-8 text: .*\n.*iconv -f/,
      );
    }
  },
);

test('a prompt without an end is refused', () => {
  const ended = generate('--model', llama, '--prompt-file', '/dev/zero');
  expect(ended.status).toBe(1);
  expect(ended.stderr).toMatch(/^polycom: \/dev\/zero is no UTF-8 text: .*\n.*remedy: /);
}, 20_000);

test('the context ends a text, unless it slides; stop texts end it, unseen', () => {
  const args = [
    '--model',
    llama,
    '--prompt',
    'x'.repeat(60),
    '--temperature',
    '0',
    '--tokens',
    '30',
    '--ignore-end',
  ];
  const full = generate(...args, '--json');
  expect(documentOf(full).texts[0]).toMatchObject({ tokens: 4, reason: 'context' });
  expect(full.stderr).toContain('the context of 64 tokens is full: --slide goes on');
  const slid = documentOf(generate(...args, '--slide', '--json')).texts[0]!;
  expect(slid).toMatchObject({ tokens: 30, reason: 'tokens' });
  const stop = [...slid.text].slice(6, 8).join('');
  const stopped = documentOf(generate(...args, '--slide', '--json', '--stop', stop, '--stop', 'never'))
    .texts[0]!;
  expect(stopped).toMatchObject({ text: slid.text.slice(0, slid.text.indexOf(stop)), reason: 'stop' });
});

test('standard input is a prompt, and a reader who leaves ends it', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const command = `${process.execPath} --import tsx src/cli/main.ts generate --model ${llama} --prompt-file - --slide --ignore-end --tokens 4000 --quiet | head -c 9`;
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', command], {
    cwd: root,
    input: 'a prompt',
    env: { ...process.env, ...NO_TENSORFLOW, POLYCOM_QUIET: '1', POLYCOM_LIBRARY: undefined },
  });
  expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toHaveLength(9);
});

test.each([
  [[], /required option '--model <folder>'/],
  [['--model', 'nowhere'], /^polycom: nowhere is not there\n.*remedy: name the folder/],
  [['--model', 'x', '--prompt', 'a', '--prompt-file', 'b'], /'--prompt <text>' cannot be used with/],
  [
    ['--model', 'x', '--prompt-file', 'missing.txt'],
    /^polycom: the prompt cannot be read from missing\.txt: ENOENT/,
  ],
  [['--model', 'x', '--tokens', '0'], /--tokens <count>.*expected a whole number from 1 on/],
  [['--model', 'x', '--temperature', 'hot'], /--temperature <number>.*expected a number/],
  [
    ['--model', 'x', '--temperature', '-1'],
    /^polycom: generate: --temperature is -1; expected a number, 0 or more/,
  ],
  [['--model', 'x', '--top-p', '2'], /--top-p is 2; expected a number above 0, at most 1/],
])('generate %j fails with the reason', (args, message) => {
  const { status, stderr, stdout } = generate(...args);
  expect(status).toBe(1);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(stdout).toBe('');
});

test('a prompt that is longer than the context', () => {
  const { status, stderr } = generate('--model', llama, '--prompt', 'x'.repeat(65));
  expect(status).toBe(1);
  expect(stderr).toMatch(/prompt 0 has 65 tokens; the model's context has room for 64\n.*slide/);
});

test('--help teaches', () => {
  const { status, stdout } = generate('--help');
  expect(status).toBe(0);
  expect(stdout).toMatch(/--repetition-penalty <number>/);
  expect(stdout).toMatch(/npx polycom generate --model runs\/book --prompt "Once upon a time"/);
});

describe('texts that come at once', () => {
  test('are printed one after the other, the first as it comes', () => {
    const shown: string[] = [];
    const printer = new TextPrinter(3, (text) => shown.push(text));
    printer.add(1, 'b1', false);
    printer.add(0, 'a1', false);
    expect(shown).toEqual(['--- 1 of 3 ---\n', 'a1']);
    printer.add(2, 'c1\n', true);
    printer.add(0, '', true);
    expect(shown.splice(0).slice(2)).toEqual(['\n', '--- 2 of 3 ---\n', 'b1']);
    printer.add(1, 'b2', true);
    expect(shown).toEqual(['b2', '\n', '--- 3 of 3 ---\n', 'c1\n']);
  });

  test('have no title where there is one alone, and end their line, though they are empty', () => {
    const shown: string[] = [];
    new TextPrinter(1, (text) => shown.push(text)).add(0, '', true);
    expect(shown).toEqual(['\n']);
  });
});

test.skipIf(library === undefined)(
  'a text goes on with the space between words, and a stop text finds it',
  async () => {
    const model = await sentencePieceLlama('the', 'the');
    const args = [
      '--model',
      model,
      '--temperature',
      '0',
      '--ignore-end',
      '--quiet',
      '--json',
      '--tokens',
      '3',
    ];
    const textOf = (...more: string[]) => documentOf(generate(...args, ...more)).texts[0]!;
    // Python's tokenizers decode [1, 259, 274, 273, 262, 264, 288, 288, 288] to `once the the the`.
    expect(textOf('--prompt', 'once')).toMatchObject({ text: ' the the the', tokens: 3 });
    expect(textOf('--prompt', 'once', '--stop', ' the')).toMatchObject({
      text: '',
      tokens: 1,
      reason: 'stop',
    });
    expect(textOf('--prompt', '')).toMatchObject({ text: 'the the the' });
    expect(textOf('--prompt', '<s>once')).toMatchObject({ text: ' the the the' });
  },
);
