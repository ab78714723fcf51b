import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { NO_TENSORFLOW, polycom, Workshop } from '../cli/harness.js';
import { sentencePieceLlama } from '../generate/sentencepiece.js';

const library = await import('@huggingface/tokenizers').catch(() => undefined);
if (library === undefined) console.warn('skipped: eval of a LLaMA: no @huggingface/tokenizers');

const shop = new Workshop();
afterAll(() => rmSync(shop.folder, { recursive: true }));

const text = shop.write('text.txt', 'a line of text to train on, and on\n'.repeat(60));
const env = { ...NO_TENSORFLOW, POLYCOM_CACHE: shop.path('cache') };
const small = ['--preset', 'tiny', '--backend', 'cpu', '--batch', '2', '--time', '16'].concat(
  ['width=8', 'layers=1', 'heads=1', 'kvHeads=1', 'headWidth=4', 'hidden=8'].flatMap((size) => [
    '--set',
    size,
  ]),
);

test('train, the same command again, more steps, and eval', () => {
  const out = shop.path('run');
  const train = (steps: string) =>
    polycom(['train', '--data', text, '--out', out, ...small, '--steps', steps, '--eval-every', '3'], env);
  const first = train('4');
  expect(first.status, first.stderr).toBe(0);
  expect(first.stdout).toMatch(
    /run: step 4 of 4; loss 5\.\d+; held out: loss 5\.\d+ nats a token, perplexity \d+\.\d+, 8\.\d+ bits a byte; \d+ tokens a second\nsaved .*step-00000004; npx polycom generate --model /,
  );
  expect(train('4').stdout).toMatch(/step 4 of 4; nothing was left to do/);
  const more = train('6');
  expect(more.stdout).toMatch(/step 6 of 6; loss 5/);
  expect(more.stderr).toMatch(/from step 4 on with other settings: steps 4 to 6/);
  expect(more.stderr).toMatch(/goes on from .*step-00000004/);

  const evaluated = polycom(
    ['eval', '--model', out, '--data', text, '--backend', 'cpu', '--time', '16', '--json'],
    env,
  );
  expect(evaluated.status, evaluated.stderr).toBe(0);
  const log = readFileSync(join(out, 'log.jsonl'), 'utf8').trimEnd().split('\n');
  const { loss, bits_per_byte } = JSON.parse(log.at(-1)!);
  const found = JSON.parse(evaluated.stdout);
  expect(found).toMatchObject({ schema: 1, step: 6, on: 'heldout' });
  expect(found.loss).toBeCloseTo(loss, 5);
  expect(found.bits_per_byte).toBeCloseTo(bits_per_byte, 5);
  const other = shop.write('other.txt', 'another text, of which all is foretold');
  const whole = polycom(['eval', '--model', out, '--data', other, '--on', 'all', '--time', '8'], env);
  expect(whole.stdout).toMatch(
    /step-00000006 on 32 tokens: loss 5\.\d+ nats a token, perplexity .*, .* bits a byte\n$/,
  );
});

test('an evaluation that cannot be is said at the start, also where nothing else is', () => {
  const short = shop.write('short.txt', 'a line\n'.repeat(40));
  const args = [
    'train',
    '--data',
    short,
    '--out',
    shop.path('short'),
    ...small,
    '--steps',
    '2',
    '--json',
    '--quiet',
  ];
  const { status, stdout, stderr } = polycom([...args, '--eval-every', '1'], env);
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(
    /^polycom: 15 tokens are held out, and a window of 16 wants 17: nothing is evaluated\n {2}remedy: .*--held-out.*--time/m,
  );
  expect(stderr.split('nothing is evaluated')).toHaveLength(2);
  expect(JSON.parse(stdout)).toMatchObject({ step: 2, heldout: null });
  const without = polycom([...args, '--steps', '3', '--eval-every', '0'], env);
  expect(without.stderr).not.toContain('held out');
  expect(JSON.parse(without.stdout)).toMatchObject({ step: 3, heldout: null });
});

test.skipIf(library === undefined)(
  'eval says what stood before each window, and can leave it out',
  async () => {
    const model = await sentencePieceLlama('eval', 'waves');
    const text = shop.write('llama.txt', 'the was the\nété the 漢字 was 😀 the\nonce the was the was\n');
    const args = ['eval', '--model', model, '--data', text, '--on', 'all', '--backend', 'cpu'];
    const evaluated = (...more: string[]) => polycom([...args, ...more], env);
    expect(evaluated('--time', '16').stdout).toMatch(
      / tokens, each window behind the begin token 1: loss 5\./,
    );
    expect(evaluated('--time', '16', '--no-begin').stdout).toMatch(
      / tokens, without the begin token 1 before each window: loss 5\./,
    );
    const of = (...more: string[]) =>
      JSON.parse(evaluated('--json', ...more).stdout) as Record<string, unknown>;
    const [begun, without, forced] = [
      of('--time', '16'),
      of('--time', '16', '--no-begin'),
      of('--time', '16', '--begin', '1'),
    ];
    expect([begun!.begin, without!.begin, forced!.begin]).toEqual([[1], [], [1]]);
    expect(forced!.loss).toBe(begun!.loss);
    expect(without!.loss).not.toBe(begun!.loss);
    expect(evaluated('--time', '65').stderr).toMatch(/time is 65; expected at most 63: .*\n.*--time 63/);
  },
);

test('a config file has the options, and the command line goes before it', () => {
  const out = shop.path('configured');
  const set = { width: 8, layers: 1, heads: 1, kvHeads: 1, headWidth: 4, hidden: 8 };
  const rest = { preset: 'tiny-moe', backend: 'cpu', batch: 2, time: 8, steps: 5, quiet: true };
  const config = { data: 'synthetic', out, set: { ...set, experts: { count: 2 } }, lr: 1e-2, ...rest };
  const file = shop.write('config.json', JSON.stringify(config));
  const { status, stdout, stderr } = polycom(['train', '--config', file, '--steps', '2', '--json'], env);
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ schema: 1, run: out, step: 2, interrupted: false });
  const [start] = readFileSync(join(out, 'log.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(start!)).toMatchObject({
    model: { width: 8, vocabulary: 64, experts: { count: 2, active: 2 } },
    settings: { steps: 2, batch: 2, learningRate: 0.01 },
  });
});

describe('fails with the reason', () => {
  const config = (json: unknown) => [
    '--config',
    shop.write(`bad-${Object.keys(json as object)}.json`, JSON.stringify(json)),
  ];
  test.each<[string[], RegExp]>([
    [['--data', text], /^polycom: --out is missing\n {2}remedy: /m],
    [['--out', 'x'], /^polycom: --data is missing/m],
    [['--data', 'missing.txt', '--out', 'x', ...small], /missing\.txt is not there/],
    [['--data', text, '--out', 'x', ...small, '--set', 'width'], /--set 'width'; expected field=value/],
    [
      ['--data', text, '--out', 'x', ...small, '--set', 'depth=2'],
      /there is no field depth; expected vocabulary/,
    ],
    [['--data', text, '--out', 'x', ...small, '--time', '999'], /at most the context of the model, 128/],
    [['--preset', 'huge'], /Allowed choices are tiny/],
    [['--lr', 'fast'], /expected a number/],
    [config({ speed: 1 }), /there is no option 'speed'\n {2}remedy: the keys are: data, out, tokenizer/],
    [config({ steps: 'all' }), /steps is "all"; expected a whole number from 1 on/],
    [config({ recompute: 1 }), /recompute is 1; expected true or false/],
    [config([]), /is no JSON object/],
    [['--config', 'missing.json'], /missing\.json cannot be read/],
  ])('train %j', (args, message) => {
    const { status, stderr, stdout } = polycom(['train', ...args], env);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(status).toBe(1);
    expect(existsSync('x')).toBe(false);
  });
});

test.each([
  ['synthetic', 'its $HOME `run\'s` "1"'],
  [text, 'mö del/run'],
])('the command that is printed after training on %s works as printed', (data, name) => {
  const out = shop.path(name);
  const train = ['train', '--data', data, '--out', out, ...small, '--eval-every', '0', '--steps'];
  const trained = polycom([...train, '2'], env);
  expect(trained.status, trained.stderr).toBe(0);
  // There is no terminal: a line at the start, and the evaluations that there are.
  expect(trained.stderr).toMatch(/^polycom: step 0 of 2: [\d,]+ parameters$/m);
  const [, command] = /; npx polycom (generate .*)\n$/s.exec(trained.stdout)!;
  // A shell's own reading of it, one word a time.
  const { stdout: words } = spawnSync('sh', ['-c', `printf '%s\\0' ${command}`], { encoding: 'utf8' });
  const generated = polycom([...words.split('\0').slice(0, -1), '--tokens', '3', '--json'], env);
  expect(generated.status, generated.stderr).toBe(0);
  expect(JSON.parse(generated.stdout)).toMatchObject({ step: 2, texts: [{}] });

  const fewer = polycom([...train, '1'], env);
  expect(fewer.stdout).toContain(
    `${out}: step 2, past the 1 that were asked for; nothing was left to do: more --steps go on\n`,
  );
  expect(fewer.stderr).not.toMatch(/other settings/);
  const wordy = polycom(['generate', '--model', out, '--prompt', 'abc'], env);
  if (data === 'synthetic') expect(wordy.stderr).toMatch(/'abc' is no token; .*\n {2}remedy: .*numbers/);
  const empty = polycom(['generate', '--model', out, '--tokens', '1'], env);
  if (data === 'synthetic') expect(empty.stderr).toMatch(/prompt 0 is empty, .*\n {2}remedy: give a prompt/);
  else expect(empty.status, empty.stderr).toBe(0);
});
