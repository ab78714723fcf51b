/** How long to measure. */
export interface TimingEffort {
  readonly minRounds: number;
  readonly maxRounds: number;
  /** After this many milliseconds no round is begun beyond the least. */
  readonly budgetMs: number;
  /** How long each is run before it is timed: 100 ms by default. */
  readonly warmUpMs?: number;
}

/** Takes a sample: milliseconds a call, of so many calls one after another. */
export type Sampler = (calls: number) => number;

interface Plan {
  readonly sample: Sampler;
  /** Calls that make one sample: more than one where a call is shorter than the clock is good for. */
  readonly calls: number;
  readonly samplesPerRound: number;
}

const WARM_UP_MS = 100;
/** At the least; the check was a call too. */
const WARM_UP_CALLS = 1;
const SAMPLE_MS = 2;
const ROUND_MS = 40;
const MAX_SAMPLES_PER_ROUND = 4;

/** Times calls by the host's clock; `finish` is what the last of a sample waits for. */
export function hostSampler(run: () => void, finish: () => void = () => undefined): Sampler {
  return (calls) => {
    const began = performance.now();
    for (let i = 0; i < calls; ++i) run();
    finish();
    return (performance.now() - began) / calls;
  };
}

/**
 * Times contenders round-robin, so that whatever slows the machine down for a while slows all of them down.
 *
 * @returns each contender's samples, in milliseconds a call
 */
export function interleave(
  samplers: readonly Sampler[],
  effort: TimingEffort,
  onRound: (round: number) => void = () => undefined,
): number[][] {
  const plans = samplers.map((sample) => warmUp(sample, effort.warmUpMs ?? WARM_UP_MS));
  const samples: number[][] = samplers.map(() => []);
  const began = performance.now();
  for (let round = 0; round < effort.maxRounds; ++round) {
    if (round >= effort.minRounds && performance.now() - began > effort.budgetMs) break;
    onRound(round);
    for (const [i, plan] of plans.entries()) {
      for (let k = 0; k < plan.samplesPerRound; ++k) samples[i]!.push(plan.sample(plan.calls));
    }
  }
  return samples;
}

function warmUp(sample: Sampler, leastMs: number): Plan {
  const began = performance.now();
  let shortest = Number.POSITIVE_INFINITY;
  for (let call = 0; call < WARM_UP_CALLS || performance.now() - began < leastMs; ++call) {
    shortest = Math.min(shortest, sample(1));
  }
  const calls = Math.max(1, Math.ceil(SAMPLE_MS / Math.max(shortest, 1e-4)));
  const fitting = Math.floor(ROUND_MS / (calls * shortest));
  return { sample, calls, samplesPerRound: Math.min(Math.max(fitting, 1), MAX_SAMPLES_PER_ROUND) };
}
