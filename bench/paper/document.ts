import { PolycomError } from 'polycom';
import { readTextSync } from 'polycom/files';
import { experimentNames } from './plan/experiments.js';
import { idOf } from './plan/specs.js';
import type { CompareDocument, RunSpec } from './types.js';

const REMEDY = 'give a file that npm run paper wrote';

/**
 * Reads a document that `npm run paper` wrote.
 *
 * @throws {PolycomError} `INVALID_ARGUMENT` for a file that is missing, no JSON, or another document
 */
export function readCompareDocument(file: string): CompareDocument {
  let value: unknown;
  try {
    value = JSON.parse(readTextSync(file));
  } catch (cause) {
    if (cause instanceof PolycomError) throw cause;
    throw new PolycomError('INVALID_ARGUMENT', `${file} cannot be read`, { remedy: REMEDY, cause });
  }
  return checkCompareDocument(value, file);
}

/**
 * Gives a value back as the document that it is.
 *
 * @param name what errors call it
 * @throws {PolycomError} `INVALID_ARGUMENT` that says what is wrong with it
 */
export function checkCompareDocument(value: unknown, name: string): CompareDocument {
  const wrong = wrongOf(value);
  if (wrong === undefined) return value as CompareDocument;
  throw new PolycomError('INVALID_ARGUMENT', `${name}: ${wrong}`, { remedy: REMEDY });
}

function wrongOf(value: unknown): string | undefined {
  if (!isRecord(value)) return 'not an object';
  const { schema, bench, machine, versions, notes, runs, experiments } = value;
  if (schema !== 1) return `schema is ${excerpt(schema)}; expected 1`;
  if (bench !== 'compare') return `bench is ${excerpt(bench)}; expected "compare"`;
  for (const name of ['date', 'command', 'scale']) {
    if (typeof value[name] !== 'string') return `${name} is no text`;
  }
  if (!isRecord(machine) || !isRecord(versions)) return 'machine or versions is missing';
  if (!Array.isArray(notes) || !notes.every((note) => typeof note === 'string')) return 'notes are no texts';
  for (const name of ['data', 'rates', 'overflow'])
    if (!Array.isArray(value[name])) return `${name} is no list`;
  if (!Array.isArray(runs)) return 'runs is no list';
  const bad = runs.findIndex((run) => !isRun(run));
  if (bad >= 0) return `run ${bad} is none, or its id is not that of its spec`;
  if (!Array.isArray(experiments)) return 'experiments is no list';
  const ids = new Set(runs.map(({ id }) => id as string));
  return experiments
    .map((experiment) => wrongExperiment(experiment, ids))
    .find((wrong) => wrong !== undefined);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The beginning of a value from outside, for a message. */
function excerpt(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
}

function isRun(run: unknown): boolean {
  if (!isRecord(run) || !isRecord(run.spec) || !isRecord(run.result)) return false;
  const { id, spec, result } = run;
  if (id !== result.id || id !== idOf(spec as unknown as RunSpec) || !isRecord(result.host)) return false;
  return (
    isRecord(result.train) &&
    isRecord(result.heldOut) &&
    (isRecord(result.final) || isRecord(result.diverged))
  );
}

function wrongExperiment(experiment: unknown, ids: ReadonlySet<string>): string | undefined {
  if (!isRecord(experiment) || !Array.isArray(experiment.runs)) return 'an experiment has no runs';
  const { name, runs } = experiment;
  if (!experimentNames.some((known) => known === name)) return `there is no experiment ${excerpt(name)}`;
  const missing = runs.find((run) => !isRecord(run) || !isRecord(run.labels) || !ids.has(run.id as string));
  return missing === undefined ? undefined : `a run of ${name} is not among the runs`;
}
