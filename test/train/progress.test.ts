import { afterEach, expect, test, vi } from 'vitest';
import { trainProgress } from '../../src/cli/train-progress.js';
import type { StepReport, Trainer } from '../../src/train/index.js';
import { smallModel } from './harness.js';

const trainer = {
  step: 0,
  settings: { steps: 4000, time: 8 },
  model: { config: smallModel('tiny') },
} as unknown as Trainer;
const report = (step: number, loss: number): StepReport => {
  return { step, loss, crossEntropy: loss, gradientNorm: 1, learningRate: 1, tokens: 100, seconds: 0.1 };
};

/** What is shown of two steps with an evaluation between them, `seconds` after the start. */
function shown(isTTY: boolean, quiet = false, columns = 200, seconds = 0): string {
  let text = '';
  const stream = { isTTY, columns, write: (piece: string) => (text += piece) };
  const times = [0, ...new Array<number>(8).fill(seconds * 1000)];
  const progress = trainProgress(stream, quiet, { flops: 1e8, named: 'of a test' }, () => times.shift()!);
  progress.onStart(trainer);
  progress.onStep(report(1, 2));
  progress.onEvaluation({ loss: 2.5, perplexity: Math.exp(2.5), tokens: 8 });
  progress.onStep(report(2, 1));
  progress.end();
  return text;
}

afterEach(() => vi.unstubAllEnvs());

test('a terminal gets a line that rewrites itself; the loss is smoothed', () => {
  vi.stubEnv('POLYCOM_QUIET', '');
  vi.stubEnv('NO_COLOR', '1');
  const lines = shown(true).split('\r\x1b[K').slice(1);
  expect(lines).toHaveLength(4);
  expect(lines[0]).toMatch(/^step 0 of 4000: [\d,]+ parameters/);
  expect(lines[1]).toMatch(/step 1 of 4000: loss 2\.0000, 1,000 tokens\/s, MFU \d+\.\d %, 6:40 left/);
  expect(lines[2]).toMatch(/step 2 of 4000: loss 1\.9000, held out 2\.5000, 1,000 tokens\/s, MFU/);
  expect(lines[3]).toBe('');
});

test('a terminal that says it has no columns loses no letter', () => {
  vi.stubEnv('NO_COLOR', '1');
  expect(shown(true, false, 0).split('\r\x1b[K')[1]).toMatch(/ parameters$/);
});

test('without a terminal there is a line at the start, for each evaluation, and now and then', () => {
  vi.stubEnv('POLYCOM_QUIET', '');
  const evaluated = 'polycom: step 0 of 4000: held out 2.5000'; // this trainer takes no steps
  const begun = expect.stringMatching(/^polycom: step 0 of 4000: [\d,]+ parameters$/);
  expect(shown(false).split('\n')).toEqual([begun, evaluated, '']);
  const later = expect.stringMatching(/^polycom: step 1 of 4000: loss 2\.0000, 1,000 tokens\/s, .* left$/);
  expect(shown(false, false, 200, 31).split('\n')).toEqual([begun, later, evaluated, '']);
});

test('nothing is shown where it shall be quiet', () => {
  vi.stubEnv('POLYCOM_QUIET', '');
  expect(shown(true, true)).toBe('');
  expect(shown(false, true, 200, 31)).toBe('');
  vi.stubEnv('POLYCOM_QUIET', '1');
  expect(shown(false, false, 200, 31)).toBe('');
});
