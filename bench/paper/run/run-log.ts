import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { PolycomError } from 'polycom';
import { summarise } from 'polycom/bench';
import type { LogRecord } from 'polycom/train';
import type { RunResult } from '../types.js';

/** The most points of a training curve. */
const POINTS = 100;

/** What a run's log tells. */
export type Curves = Pick<
  RunResult,
  'seconds' | 'step_ms_p20' | 'step_ms_p50' | 'step_ms_p80' | 'train' | 'heldOut' | 'digest' | 'coefficients'
>;

/**
 * Reads the curves of a run's log.
 *
 * @param steps of the whole run: so that runs of equal length have equal points
 */
export async function readCurves(log: string, steps: number): Promise<Curves> {
  const width = Math.ceil(steps / POINTS);
  const train = { step: [] as number[], loss: [] as number[] };
  const heldOut = { step: [], tokens: [], seconds: [], loss: [], top1: [] } as Record<string, number[]>;
  const coefficients: Record<string, number[][]> = {};
  const digest = createHash('sha256');
  const times: number[] = [];
  let [seconds, tokens, sum, count] = [0, 0, 0, 0];
  for await (const line of createInterface({ input: createReadStream(log) })) {
    const record = recordOf(line, log);
    if (record.kind === 'start') continue;
    digest.update(`${record.step} ${record.loss}\n`);
    if (record.kind === 'step') {
      seconds += record.seconds as number;
      tokens += record.tokens as number;
      times.push((record.seconds as number) * 1000);
      sum += record.cross_entropy as number;
      if (++count < width && record.step < steps) continue;
      train.step.push(record.step);
      train.loss.push(digits(sum / count));
      [sum, count] = [0, 0];
      continue;
    }
    heldOut.step!.push(record.step);
    heldOut.tokens!.push(tokens);
    heldOut.seconds!.push(round(seconds));
    heldOut.loss!.push(digits(record.loss as number));
    heldOut.top1!.push(digits(record.top1 as number));
    for (const [name, values] of Object.entries((record.coefficients ?? {}) as Record<string, number[]>)) {
      coefficients[name] ??= [];
      coefficients[name].push(values.map(digits));
    }
  }
  const { ms_p20, ms_p50, ms_p80 } = summarise(times);
  return {
    seconds: round(seconds),
    step_ms_p20: ms_p20,
    step_ms_p50: ms_p50,
    step_ms_p80: ms_p80,
    train,
    heldOut: heldOut as unknown as RunResult['heldOut'],
    digest: digest.digest('hex'),
    coefficients,
  };
}

function recordOf(line: string, log: string): LogRecord {
  try {
    const record = JSON.parse(line) as LogRecord | null;
    if (Number.isSafeInteger(record?.step)) return record!;
  } catch {
    // Said below.
  }
  throw new PolycomError(
    'INVALID_FILE',
    `${log}: a line of it is no record: ${JSON.stringify(line.slice(0, 80))}`,
    {
      remedy: 'delete its folder: the run is done again',
    },
  );
}

/** Four significant digits: more than a time has. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** Seven significant digits: those of a float. The digest has them all. What is not finite is null in JSON. */
function digits(value: number | null): number {
  return Number((value ?? Number.NaN).toPrecision(7));
}
