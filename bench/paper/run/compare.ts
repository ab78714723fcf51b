import { availableParallelism } from 'node:os';
import { PolycomError } from 'polycom';
import { currentCommit, describeMachine } from 'polycom/bench';
import { syntheticLanguage } from 'polycom/data';
import { measureOverflow } from '../measure/overflow.js';
import { experimentNames, type PlanOptions, planExperiment, sweepRun } from '../plan/experiments.js';
import { DENSE } from '../plan/names.js';
import { type Scale, scaleNamed } from '../plan/scales.js';
import { describeText, idOf, syntheticData } from '../plan/specs.js';
import { bestRates, beyondBorder, rateOf } from '../plan/sweep.js';
import type {
  CompareDocument,
  DataSpec,
  DocumentRun,
  Experiment,
  ExperimentName,
  PartName,
  Parts,
  PlannedRun,
  Rate,
  RunResult,
  RunSpec,
} from '../types.js';
import { type GridProgress, type GridResult, runGrid } from './grid.js';
import { makePart } from './parts.js';
import { RunStore } from './store.js';
import { polycomVersion } from './version.js';

/** What a comparison shows beside training. */
export const partNames: readonly PartName[] = ['theory', 'cost'];

/** What is compared, and how. */
export interface CompareOptions {
  readonly scale: Scale | string;
  /** All experiments and parts by default. */
  readonly only?: readonly (ExperimentName | PartName)[];
  /** A text beside the synthetic language: a file, a folder, or what `polycom prepare` made. */
  readonly text?: string;
  /** The folder of the runs. */
  readonly out: string;
  /** Processes at once; the scale's, or one for each CPU. */
  readonly workers?: number;
  /** The command that the document names. */
  readonly command?: string;
  /** When aborted, the runs in hand are saved and left. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (stage: string, progress: GridProgress) => void;
  readonly onPart?: (part: PartName, step: string) => void;
}

/** What a comparison came to. */
export interface Comparison {
  /** Of the experiments whose runs are all finished. */
  readonly document: CompareDocument;
  readonly failures: GridResult['failures'];
  readonly interrupted: boolean;
}

/**
 * Makes the paper's experiments, or goes on with them: the learning rates first, then all others with the best ones.
 * Finished runs are read from the store.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a scale that is none, a text that cannot be read, or a folder in which
 *   another comparison is at work
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  return await new RunStore(options.out).alone(() => compareAlone(options));
}

async function compareAlone(options: CompareOptions): Promise<Comparison> {
  const scale = typeof options.scale === 'string' ? scaleNamed(options.scale) : options.scale;
  const { only = [...experimentNames, ...partNames], text } = options;
  const described = text === undefined ? undefined : await describeText(text);
  const synthetic = syntheticData({ length: scale.synthetic });
  const data: DataSpec[] = described === undefined ? [synthetic] : [described, synthetic];
  const moreData = [syntheticData({ seed: 1, vocabulary: 256, length: scale.synthetic })];
  const paths = new Map(described === undefined ? [] : [[described.hash, text!] as const]);
  const grid = new Stages(options, scale, paths);
  const planned: Omit<PlanOptions, 'rates'> = { scale, data, moreData };
  // Theory beside the sweep, whose steps nobody times; cost when all else has ended, as it is timed too.
  const theory = only.includes('theory') ? grid.part('theory') : undefined;
  theory?.catch(() => undefined); // told of where it is awaited
  const sweep = planExperiment('sweep', { ...planned, rates: [] });
  const { runs, rates } = only.includes('sweep') ? await grid.sweep(sweep) : grid.swept(sweep);
  const experiments: Experiment[] = only.includes('sweep') ? [{ ...sweep, runs }] : [];
  const others = experimentNames.filter((name) => name !== 'sweep' && only.includes(name));
  for (const name of others) experiments.push(planExperiment(name, { ...planned, rates }));
  const made = await theory;
  await grid.run(
    'experiments',
    experiments.flatMap((experiment) => experiment.runs),
  );
  const used = only.includes('moe') ? [...data, ...moreData] : data;
  const parts = {
    theory: made,
    cost: only.includes('cost') ? await grid.part('cost') : undefined,
  };
  return await grid.comparison(experiments, used, rates, parts);
}

/** @throws {PolycomError} `INVALID_ARGUMENT` for a name that is no experiment and no part */
export function checkNames(names: readonly string[]): readonly (ExperimentName | PartName)[] {
  const known: readonly (ExperimentName | PartName)[] = [...experimentNames, ...partNames];
  for (const name of names) {
    if (known.some((one) => one === name)) continue;
    const list = known.join(', ');
    throw new PolycomError('INVALID_ARGUMENT', `there is no experiment '${name}'; expected some of ${list}`);
  }
  return names as readonly (ExperimentName | PartName)[];
}

/** The number of runs of each experiment, before the sweep is known: what `--plan` shows. */
export function planAll(
  scale: Scale,
  data: readonly DataSpec[],
  only: readonly ExperimentName[],
): Experiment[] {
  const moreData = [syntheticData({ seed: 1, vocabulary: 256, length: scale.synthetic })];
  return only.map((name) => planExperiment(name, { scale, data, moreData, rates: [] }));
}

/** The stages of a comparison over one store. */
class Stages {
  readonly #options: CompareOptions;
  readonly #scale: Scale;
  readonly #paths: ReadonlyMap<string, string>;
  readonly #store: RunStore;
  readonly #workers: number;
  readonly #results = new Map<string, RunResult>();
  readonly #failures: { id: string; reason: string }[] = [];
  /** Whether a part was not made, as the signal came first. */
  #givenUp = false;

  constructor(options: CompareOptions, scale: Scale, paths: ReadonlyMap<string, string>) {
    this.#options = options;
    this.#scale = scale;
    this.#paths = paths;
    this.#store = new RunStore(options.out);
    this.#workers = options.workers ?? scale.workers ?? availableParallelism();
  }

  async run(stage: string, runs: readonly PlannedRun[]): Promise<void> {
    const { signal, onProgress } = this.#options;
    if (signal?.aborted) return this.#read(runs);
    const { threads } = this.#scale;
    const { results, failures } = await runGrid(
      runs.map(({ spec }) => spec),
      {
        store: this.#store,
        workers: this.#workers,
        paths: this.#paths,
        ...(threads === undefined ? {} : { threads }),
        ...(signal === undefined ? {} : { signal }),
        ...(onProgress === undefined ? {} : { onProgress: (progress) => onProgress(stage, progress) }),
      },
    );
    for (const [id, result] of results) this.#results.set(id, result);
    this.#failures.push(...failures);
  }

  async part<Name extends PartName>(name: Name): Promise<Parts[Name] | undefined> {
    const { out: store, signal, onPart } = this.#options;
    const commit = await currentCommit();
    const made = await makePart(name, {
      store,
      quick: this.#scale.name === 'quick',
      ...(commit === undefined ? {} : { commit }),
      ...(signal === undefined ? {} : { signal }),
      ...(onPart === undefined ? {} : { onStep: onPart }),
    });
    if (made === undefined) this.#givenUp = true;
    return made;
  }

  /** Sweeps the learning rates; where the best one lies at the border, one more rate beyond it, a few times. */
  async sweep({ runs: planned }: Experiment): Promise<{ runs: PlannedRun[]; rates: Rate[] }> {
    const runs = [...planned];
    await this.run('learning rates', runs);
    for (let i = 0; i < this.#scale.extensions; ++i) {
      const more = this.#beyond(runs);
      if (more.length === 0) break;
      runs.push(...more);
      await this.run('learning rates', runs);
    }
    return { runs, rates: this.#rates(runs) };
  }

  /** The rates of sweeps that an earlier call has made. */
  swept({ runs: planned }: Experiment): { runs: PlannedRun[]; rates: Rate[] } {
    const runs = [...planned];
    this.#read(runs);
    for (let i = 0; i < this.#scale.extensions; ++i) {
      const more = this.#beyond(runs);
      this.#read(more);
      runs.push(...more);
    }
    return { runs, rates: this.#rates(runs) };
  }

  async comparison(
    experiments: readonly Experiment[],
    data: readonly DataSpec[],
    rates: readonly Rate[],
    parts: { readonly [Name in PartName]: Parts[Name] | undefined },
  ): Promise<Comparison> {
    const { signal, command = 'npm run paper' } = this.#options;
    const specs = new Map<string, RunSpec>();
    const found = experiments.map(({ name, title, runs }) => {
      const all = runs.map(({ labels, spec }) => ({ id: idOf(spec), labels, spec }));
      for (const { id, spec } of all) specs.set(id, spec);
      const finished = all.filter(({ id }) => this.#results.has(id));
      return { name, title, runs: finished.map(({ id, labels }) => ({ id, labels })) };
    });
    const missing = [...specs.keys()].filter((id) => !this.#results.has(id)).length;
    const runs = [...specs].flatMap(([id, spec]) => {
      const result = this.#results.get(id);
      return result === undefined ? [] : [{ id, spec, result }];
    });
    const commit = await currentCommit();
    const document: CompareDocument = {
      schema: 1,
      bench: 'compare',
      date: new Date().toISOString(),
      ...(commit === undefined ? {} : { commit }),
      command,
      scale: this.#scale.name,
      seconds: Math.round(runs.reduce((sum, { result }) => sum + result.wall_seconds, 0)),
      machine: describeMachine(),
      workers: this.#workers,
      versions: { polycom: polycomVersion, node: process.versions.node, ...tensorflowOf(runs) },
      notes: [...(missing === 0 ? [] : [`${missing} of ${specs.size} runs are missing`]), ...hostNotes(runs)],
      data: data.map(withEntropy),
      rates,
      experiments: found,
      runs,
      overflow: measureOverflow(),
      ...(parts.theory === undefined ? {} : { theory: parts.theory }),
      ...(parts.cost === undefined ? {} : { cost: parts.cost }),
    };
    const interrupted = signal?.aborted === true && (missing > 0 || this.#givenUp);
    return { document, failures: this.#failures, interrupted };
  }

  #read(runs: readonly PlannedRun[]): void {
    for (const { spec } of runs) {
      const result = this.#store.result(spec);
      if (result !== undefined) this.#results.set(result.id, result);
    }
  }

  /** The runs beyond the borders at which the best rates lie. */
  #beyond(runs: readonly PlannedRun[]): PlannedRun[] {
    return bestRates(runs, this.#results).flatMap((sweep) => {
      const rate = beyondBorder(sweep);
      const like = runs.find(
        ({ labels }) => labels.data === sweep.data && labels.activation === sweep.activation,
      );
      if (rate === undefined || like === undefined) return [];
      return [sweepRun(this.#scale, like.spec.data, sweep.activation, rate)];
    });
  }

  /** The rate of every activation on all data that was swept. */
  #rates(runs: readonly PlannedRun[]): Rate[] {
    const best = bestRates(runs, this.#results);
    const data = [...new Set(runs.map(({ labels }) => labels.data))];
    return data.flatMap((name) =>
      Object.keys(DENSE).map((activation) => rateOf(best, name, activation, this.#scale.rate)),
    );
  }
}

function tensorflowOf(runs: readonly DocumentRun[]): { tensorflow?: string } {
  const versions = [...new Set(runs.flatMap(({ result }) => result.host.tensorflow ?? []))];
  return versions.length === 0 ? {} : { tensorflow: versions.join(', ') };
}

/** Runs that are not from the same kernels differ in more than what they compare. */
function hostNotes(runs: readonly DocumentRun[]): string[] {
  const hosts = new Set(runs.map(({ result }) => JSON.stringify(result.host)));
  return hosts.size < 2 ? [] : [`runs of different hosts: ${[...hosts].join(', ')}`];
}

function withEntropy(data: DataSpec): DataSpec & { readonly entropy?: number } {
  if (data.kind !== 'synthetic') return data;
  const { seed, vocabulary } = data;
  return { ...data, entropy: syntheticLanguage({ seed, vocabulary, length: 1 }).entropy };
}

/** @throws {PolycomError} that names the runs that failed, if any did */
export function checkFailures(failures: GridResult['failures']): void {
  const [first] = failures;
  if (first === undefined) return;
  throw new PolycomError('INTERNAL', `${failures.length} runs failed; ${first.id}: ${first.reason}`, {
    remedy: 'the same command again repeats those runs alone',
  });
}
