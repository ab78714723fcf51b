/**
 * Measures PolyNorm of a mixture's experts, each with coefficients of its own: grouped, one kernel for all, against one
 * call an expert. Forward and backward inside tfjs-node, in one run, the contenders in turns.
 *
 *   npx tsx bench/mixture.ts [--quick] [--json file]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import '../src/tensorflow/index.js';
import * as tf from '@tensorflow/tfjs-core';
import { currentCommit, describeMachine } from '../src/bench/machine.js';
import { activateTensorflow, tfjsVersion } from '../src/bench/parts.js';
import { hostSampler, interleave } from '../src/bench/sampling.js';
import { round, summarise } from '../src/bench/statistics.js';
import { allocatorOfProcess } from '../src/bench/tensorflow.js';
import { packageVersion } from '../src/common/package.js';
import { uniform } from '../src/common/random.js';
import { type BusyExperts, inOneCall, oneByOne } from '../src/model/expert-activation.js';
import { type ActivationName, configOf, type ModelConfig } from '../src/model/index.js';
import { nestedGradients } from '../src/op/nested.js';
import { normal } from '../src/op/sample.js';

const { values: options } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'string' } } });
const effort = options.quick
  ? { minRounds: 4, maxRounds: 8, budgetMs: 2_000 }
  : { minRounds: 10, maxRounds: 60, budgetMs: 10_000 };

/** Rows that the experts serve together, and columns: of small-moe and moe-1b-7b, and of a decoded token. */
const SHAPES = [
  { rows: 128, cols: 128 },
  { rows: 2048, cols: 128 },
  { rows: 16384, cols: 128 },
  { rows: 512, cols: 1024 },
  { rows: 4096, cols: 1024 },
  { rows: 16384, cols: 1024 },
];

interface Row {
  readonly activation: ActivationName;
  readonly experts: number;
  readonly busy: number;
  readonly rows: number;
  readonly cols: number;
  readonly way: 'grouped' | 'one-by-one';
  readonly pass: 'forward_backward';
  readonly ms_p20: number;
  readonly ms_p50: number;
  readonly ms_p80: number;
  /** Processor time of a call, over all threads. */
  readonly ms_processor: number;
  /** How many times as fast, by the median and by processor time. */
  readonly vs_one_by_one?: number;
  readonly vs_one_by_one_processor?: number;
  /** Whether all gradients are those of one call an expert, to 1e-6. */
  readonly ok: boolean;
}

/** Experts that rows have chosen by chance, as those of an untrained router. */
function chosen(experts: number, rows: number): BusyExperts {
  const [next, counts] = [uniform(experts), new Array<number>(experts).fill(0)];
  for (let i = 0; i < rows; ++i) ++counts[Math.floor(next() * experts)]!;
  const busy = [...counts.keys()].filter((expert) => counts[expert]! > 0);
  return { names: busy.map((e) => `mlp.experts.${e}`), sizes: busy.map((e) => counts[e]!) };
}

function measure(activation: ActivationName, experts: number, rows: number, cols: number): Row[] {
  const config = configOf('small-moe', { activation, hidden: cols });
  const busy = chosen(experts, rows);
  const matrices = activation === 'polynormglu' ? 2 : 1;
  tf.engine().startScope();
  try {
    const projected = busy.sizes.flatMap((size, i) =>
      Array.from({ length: matrices }, (_, k) => tf.tensor2d(normal(size * cols, 10 * i + k), [size, cols])),
    );
    const parameters = new Map<string, tf.Tensor>(
      busy.names.flatMap((name, i): [string, tf.Tensor][] => [
        [`${name}.activation.weight`, tf.tensor1d(normal(3, 1000 + i))],
        [`${name}.activation.bias`, tf.scalar(0.1 * i)],
      ]),
    );
    const dys = busy.sizes.map((size, i) => tf.tensor2d(normal(size * cols, 10 * i + 5), [size, cols]));
    const ways = [inOneCall, oneByOne].map(
      (way) => () => gradientsOf(way, config, busy, projected, parameters, dys),
    );
    const [ours, theirs] = ways.map((way) => way());
    const ok = ours!.every((tensor, i) => agree(tensor, theirs![i]!));
    const runs = ways.map((way) => () => tf.tidy(() => void way().at(-1)!.dataSync()));
    const [grouped, single] = interleave(
      runs.map((run) => hostSampler(run)),
      effort,
    ).map((samples, i) => ({
      ...summarise(samples),
      ms_processor: processorTime(runs[i]!),
    }));
    const about = {
      activation,
      experts,
      busy: busy.sizes.length,
      rows,
      cols,
      pass: 'forward_backward',
      ok,
    } as const;
    return [
      {
        ...about,
        way: 'grouped',
        ...grouped!,
        vs_one_by_one: round(single!.ms_p50 / grouped!.ms_p50),
        vs_one_by_one_processor: round(single!.ms_processor / grouped!.ms_processor),
      },
      { ...about, way: 'one-by-one', ...single! },
    ];
  } finally {
    tf.engine().endScope();
  }
}

/** The gradients of all projections, and then of all coefficients. */
function gradientsOf(
  way: typeof inOneCall,
  config: ModelConfig,
  busy: BusyExperts,
  projected: readonly tf.Tensor[],
  parameters: ReadonlyMap<string, tf.Tensor>,
  dys: readonly tf.Tensor[],
): tf.Tensor[] {
  const names = [...parameters.keys()];
  const each = projected.length / busy.sizes.length;
  return nestedGradients(
    (...given) => {
      const lists = busy.sizes.map((_, i) => given.slice(i * each, (i + 1) * each));
      const own = new Map(names.map((name, i) => [name, given[projected.length + i]!]));
      return way(lists, busy, { config, layer: 0, parameters: own });
    },
    [...projected, ...parameters.values()],
    dys,
  );
}

/** Whether ‖a - b‖₂ is at most 1e-6 of ‖b‖₂. */
function agree(a: tf.Tensor, b: tf.Tensor): boolean {
  const [got, wanted] = [a.dataSync(), b.dataSync()];
  const squares = (values: Float32Array) => values.reduce((sum, value) => sum + value * value, 0);
  return (
    squares(got.map((value, i) => value - wanted[i]!) as Float32Array) <=
    1e-12 * squares(wanted as Float32Array)
  );
}

/** Processor time of a call, in milliseconds over all threads: it holds on a machine that does other things too. */
function processorTime(run: () => void): number {
  const calls = options.quick ? 5 : 20;
  const before = process.cpuUsage();
  for (let i = 0; i < calls; ++i) run();
  const { user, system } = process.cpuUsage(before);
  return round((user + system) / 1000 / calls);
}

const refusal = await activateTensorflow();
if (refusal !== undefined) throw new Error(refusal);
const results: Row[] = [];
for (const experts of [8, 32, 64]) {
  for (const activation of ['polynorm', 'polynormglu'] as const) {
    for (const { rows, cols } of SHAPES) {
      const measured = measure(activation, experts, rows, cols);
      results.push(...measured);
      const [grouped, single] = measured as [Row, Row];
      process.stdout.write(
        `${activation} ${experts} experts ${rows}x${cols}: grouped ${grouped.ms_p50} ms, one by one ${single.ms_p50} ms, ` +
          `${grouped.vs_one_by_one} times as fast, by processor time ${grouped.vs_one_by_one_processor}${grouped.ok ? '' : ', WRONG'}\n`,
      );
    }
  }
}
if (options.json !== undefined) {
  const document = {
    schema: 1,
    bench: 'mixture',
    date: new Date().toISOString(),
    commit: await currentCommit(),
    command: 'npx tsx bench/mixture.ts',
    machine: { ...describeMachine(), tf_allocator: allocatorOfProcess() },
    versions: { polycom: packageVersion, node: process.versions.node, tfjs: tfjsVersion },
    results,
  };
  writeFileSync(options.json, `${JSON.stringify(document, undefined, 1)}\n`);
}
if (results.some(({ ok }) => !ok)) process.exitCode = 1;
