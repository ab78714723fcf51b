import { PolycomError } from 'polycom';
import { loadCheckpoint } from 'polycom/checkpoint';
import type { Data } from 'polycom/data';
import { parameterCounts, Transformer } from 'polycom/model';
import { LOG_FILE, type Trainer, train } from 'polycom/train';
import { kindsOfHeldOut } from '../measure/play-kinds.js';
import { probes } from '../measure/probes.js';
import { type Scores, scoreTokens } from '../measure/score.js';
import { idOf } from '../plan/specs.js';
import type { RunHost, RunResult, RunSpec } from '../types.js';
import { readCurves, round } from './run-log.js';

/** How a run is carried out; nothing of it changes its losses. */
export interface RunOptions {
  /** The folder it is trained in. */
  readonly folder: string;
  /** What it is carried out with. */
  readonly host: RunHost;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: number) => void;
}

/** Checkpoints of a run, so that an interrupted one has not much to repeat. */
const SAVES = 8;

/**
 * Trains and judges a run; one that was interrupted goes on from its last checkpoint. A run that diverges has a result
 * too, which says so.
 *
 * @returns nothing where its signal ended it before it was finished
 */
export async function carryOut(
  spec: RunSpec,
  data: Data,
  options: RunOptions,
): Promise<RunResult | undefined> {
  const { config, settings } = spec;
  const { folder, host, signal, onStep } = options;
  const { steps, batch, time, evalBatches } = settings;
  const stop = signal === undefined ? {} : { signal };
  const saveEvery = Math.max(25, Math.ceil(steps / SAVES));
  const id = idOf(spec);
  const parameters = parameterCounts(config);
  const began = performance.now();
  const wall = () => ({ wall_seconds: round((performance.now() - began) / 1000) });
  try {
    const trained = await train({
      config,
      data,
      out: folder,
      settings: { ...settings, saveEvery, keep: 1 },
      ...stop,
      onStep: ({ step }) => onStep?.(step),
      observe: (trainer) => observed(trainer, { batch, time, windows: evalBatches * batch, ...stop }),
    });
    if (trained.interrupted) return undefined;
    const curves = await readCurves(`${folder}/${LOG_FILE}`, steps);
    const judged = await judge(spec, data, folder, signal);
    return { schema: 1, id, host, parameters, tokens: trained.tokens, ...wall(), ...curves, ...judged };
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return undefined;
    if (!(error instanceof PolycomError && error.code === 'NOT_FINITE')) throw error;
    const curves = await readCurves(`${folder}/${LOG_FILE}`, steps);
    const step = curves.train.step.at(-1) ?? 0;
    const [message] = error.message.split(';');
    const tokens = step * batch * time;
    return {
      schema: 1,
      id,
      host,
      parameters,
      tokens,
      ...wall(),
      ...curves,
      sets: {},
      probes: {},
      diverged: { step, message: message! },
    };
  }
}

/** What the log has beside each evaluation. */
async function observed(trainer: Trainer, options: Parameters<typeof scoreTokens>[2]) {
  const { all } = await scoreTokens(trainer.model, trainer.data.heldOut, options);
  return { top1: all.top1, coefficients: coefficientsOf(trainer.model) };
}

/** The activation's coefficients by name, as they are now. */
function coefficientsOf(model: Transformer): Record<string, number[]> {
  const named = [...model.parameters].filter(([name]) => /\.activation\.\w+$/.test(name));
  return Object.fromEntries(named.map(([name, variable]) => [name, Array.from(variable.dataSync())]));
}

/** Judges the model of a run's last checkpoint, which is there also where a run ended between training and this. */
async function judge(
  spec: RunSpec,
  data: Data,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<Pick<RunResult, 'final' | 'sets' | 'probes'>> {
  const checkpoint = await loadCheckpoint(folder);
  const model = Transformer.from(spec.config, (name) => checkpoint.model.get(name)!.data);
  try {
    const { all, kinds } = await finalScores(model, spec, data, signal);
    const found: Record<string, unknown> = {};
    for (const name of spec.probes) {
      found[name] = await probeNamed(name).run(model, data, spec);
      signal?.throwIfAborted();
    }
    return { final: all, sets: kinds, probes: found };
  } finally {
    model.dispose();
  }
}

async function finalScores(
  model: Transformer,
  spec: RunSpec,
  data: Data,
  signal: AbortSignal | undefined,
): Promise<Scores> {
  const { batch, time } = spec.settings;
  const kinds = kindsOfHeldOut(data);
  const stop = signal === undefined ? {} : { signal };
  const options = { batch, time, windows: spec.finalWindows, ...stop };
  if (kinds === undefined) return await scoreTokens(model, data.heldOut, options);
  return await scoreTokens(model, data.heldOut, options, (start, length) =>
    kinds.slice(start, start + length),
  );
}

function probeNamed(name: string) {
  const found = probes.find((probe) => probe.name === name);
  if (found !== undefined) return found;
  const names = probes.map((probe) => probe.name).join(', ');
  throw new PolycomError('INVALID_ARGUMENT', `there is no probe '${name}'; expected some of ${names}`);
}
