import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { activationRows } from '../../src/activations/table.js';
import { packageFolder } from '../../src/common/package.js';
import { ArgumentBlock } from '../../src/native/arguments.js';
import { keptOf, type Op, type Pass, passesOf, scalarsOf } from '../../src/op/types.js';
import { optimizerPasses } from '../../src/transformer-ops/optimizer.js';
import { transformerOps } from '../../src/transformer-ops/table.js';
import { callNative, type NativeInput, native, nativeTensor } from './harness.js';

const ops: readonly Op[] = [...activationRows, ...Object.values(transformerOps)];
const queue = native?.createQueue({ threads: 1 });

/** A call of a pass that the C library takes. */
interface Call {
  readonly pass: Pass;
  readonly inputs: readonly NativeInput[];
  readonly scalars: readonly number[];
}

function callsOf(op: Op): Call[] {
  const sample = op.samples().find(({ special }) => special === undefined)!;
  const scalars = Object.values(scalarsOf(op, sample.scalars));
  const [forward, backward] = passesOf(op);
  const inputs = op.inputs.map((name) => nativeTensor(op, sample, name));
  const outputs = callNative(queue!, forward.native, inputs, scalars, op.outputs.length);
  const upstream = op.differentiable.map((_, i) => outputs[i]!);
  return [
    { pass: forward, inputs, scalars },
    { pass: backward, inputs: [...keptOf<NativeInput>(op, inputs, outputs), ...upstream], scalars },
  ];
}

/** What the C library says of a plan that it refuses. */
function refusal(name: string, block: ArgumentBlock): string {
  try {
    native!.check(native!.op(name).plan(queue!.address, block.address), name);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error(`${name} takes what it should refuse`);
}

/** How many inputs, outputs and scalars the C library says that a pass has. */
function countsOf({ native: name }: Pass): number[] {
  const said = refusal(name, new ArgumentBlock(0, 0, [0, 0, 0, 0, 0, 0, 0]));
  return (/expected (\d+), (\d+) and (\d+)/.exec(said) ?? [said]).slice(1).map(Number);
}

/** The names that the C library has for the inputs of a pass: it is told of each that its rank is too high. */
function inputNames({ pass, inputs, scalars }: Call): string[] {
  return inputs.map((_, wrong) => {
    const block = new ArgumentBlock(inputs.length, pass.outputs.length, scalars);
    for (const [i, tensor] of inputs.entries())
      block.setTensor(i, i === wrong ? { ...tensor, shape: new Array<number>(9).fill(1) } : tensor);
    const said = refusal(pass.native, block);
    return /(\w+) has rank 9/.exec(said)?.[1] ?? said;
  });
}

test('the header has the ops of the table, and no others', () => {
  const header = readFileSync(join(packageFolder, 'native/include/polycom.h'), 'utf8');
  const listed = [...header.replace(/\/\*[\s\S]*?\*\//g, '').matchAll(/\b(?:X|PC_OP)\((\w+)/g)];
  const macros = ['op', 'name'];
  const names = listed.map(([, name]) => name!).filter((name) => !macros.includes(name));
  const others = [...optimizerPasses.map((pass) => pass.native), 'mixedadamw', 'copy', 'stream'];
  const table = [...ops.map(({ name }) => name), ...others];
  expect(names.sort()).toEqual(table.sort());
});

describe.skipIf(queue === undefined)('the table says what the C library says', () => {
  test.each(ops.map((op) => ({ name: op.name, op })))('of $name', ({ op }) => {
    for (const call of callsOf(op)) {
      const { pass, inputs, scalars } = call;
      const { native: name, outputs } = pass;
      expect(countsOf(pass), name).toEqual([inputs.length, outputs.length, scalars.length]);
      expect(inputNames(call), name).toEqual(pass.inputs);
      for (const [i, scalar] of Object.keys(pass.scalars).entries()) {
        const wrong = { inputs, scalars: scalars.with(i, Number.NaN), outputs: outputs.length };
        expect(() => queue!.prepare(name, wrong), name).toThrow(new RegExp(`\\b${scalar} is -?nan`));
      }
      const planned = queue!.prepare(name, { inputs, scalars, outputs: outputs.length }).outputs;
      for (const [i, output] of outputs.entries()) {
        const long = { data: new Float32Array(7 ** 5), shape: [7, 7, 7, 7, 7] };
        const wrong = { inputs, scalars, outputs: planned.with(i, long) };
        expect(() => queue!.call(name, wrong), name).toThrow(new RegExp(`\\b${output} has shape`));
      }
    }
  });
});
