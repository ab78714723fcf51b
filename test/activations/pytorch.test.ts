import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PYTORCH_FILE, pytorchOf } from '../../src/activations/pytorch.js';
import { activationRows } from '../../src/activations/table.js';
import { runCommand } from '../../src/common/command.js';
import { errorOf, valuesOf } from '../../src/op/compare.js';
import { type ActivationSample, hasOrder, sampleOf, scalarVariants } from '../../src/op/sample.js';
import type { Op } from '../../src/op/types.js';
import { peersPython } from '../../tools/python.js';

const PEER = fileURLToPath(new URL('pytorch_peer.py', import.meta.url));
/** Of f64: functions of 1e5 and differences of near equals have lost some digits. */
const NEAR = 1e-11;
/** Gates and ups at the limits of the samples, where a clamp's gradient is a choice. */
const AT_LIMITS = [7, -7, 0.5, -0.5, 3, 10, 7.5];

const python = await peersPython();
const hasTorch = (await runCommand(python, ['-c', 'import torch'])).status === 0;
if (!hasTorch) console.warn(`skipped: the references beside PyTorch: ${python} lacks it (pip install torch)`);

interface Case {
  readonly row: Op;
  readonly sample: ActivationSample;
}

function casesOf(row: Op): Case[] {
  const orders = hasOrder(row) ? [1, 2, 3, 4] : [3];
  const variants = [{}, ...scalarVariants(row), ...orders.map((order) => ({ order }))];
  return variants.flatMap((variant) =>
    [1e-3, 1, 12, 300].map((scale) => {
      const sample = sampleOf(row, 3, 40, { scale, seed: 9, ...variant });
      const matrices = row.inputs.filter((name) => row.parameters[name] === undefined);
      for (const [i, name] of matrices.entries()) {
        const { values } = sample.tensors[name]!;
        for (const [j, value] of AT_LIMITS.entries()) values[i === 0 ? j : AT_LIMITS.length - j] = value;
      }
      return { row, sample };
    }),
  );
}

/** A case as the peer takes it: scalars as options, a choice as its text. */
function asJson({ row, sample }: Case): object {
  const options = Object.entries(row.scalars).map(([name, { choices }]) => {
    const value = sample.scalars[name]!;
    return [name, choices === undefined ? value : choices[value]];
  });
  const inputs = row.inputs.map((name) => {
    const { shape, values } = sample.tensors[name]!;
    return [shape, [...values]];
  });
  return { name: row.name, inputs, options: Object.fromEntries(options), dy: [...sample.upstream[0]] };
}

/** What PyTorch gives of each case: y, and the gradients. */
async function resultsOf(cases: readonly Case[]): Promise<number[][][]> {
  const folder = mkdtempSync(join(tmpdir(), 'polycom-pytorch-'));
  try {
    writeFileSync(join(folder, PYTORCH_FILE), pytorchOf(activationRows));
    writeFileSync(join(folder, 'cases.json'), JSON.stringify(cases.map(asJson)));
    const ended = await runCommand(python, ['-B', PEER, folder]);
    expect(ended.status, ended.stderr).toBe(0);
    return JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as number[][][];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test.runIf(hasTorch)('every reference has the values and gradients of PyTorch in double', async () => {
  const cases = activationRows.flatMap(casesOf);
  const results = await resultsOf(cases);
  expect(results).toHaveLength(cases.length);
  for (const [i, { row, sample }] of cases.entries()) {
    const given = valuesOf(sample);
    const dy = Float64Array.from(sample.upstream[0]);
    const wanted = [
      ...row.reference.forward(given, sample.scalars),
      ...row.reference.backward(given, [dy], sample.scalars),
    ];
    for (const [j, name] of ['y', ...row.inputs].entries()) {
      const what = `${row.name}, ${JSON.stringify(sample.scalars)}: ${j === 0 ? 'y' : `d${name}`}`;
      expect(errorOf(results[i]![j]!, wanted[j]!), what).toBeLessThan(NEAR);
    }
  }
});
