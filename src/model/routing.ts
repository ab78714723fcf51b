/** Which experts serve which tokens, as lists for gathers; an assignment is a token and one of its chosen experts. */
export interface Routing {
  /** The number of assignments of each expert. */
  readonly counts: number[];
  /** Of each assignment, in the order of tokens: token · experts + expert. */
  readonly picks: Int32Array;
  /** The token of each assignment, in the order of experts. */
  readonly rows: Int32Array;
  /** Of each assignment, in the order of tokens: its place in the order of experts. */
  readonly places: Int32Array;
}

/** Where a mixture leaves its choice, for the run that repeats it to get its gradients. */
export interface RoutingMemo {
  routing?: Routing;
}

/**
 * Gives each token its `active` most probable experts; of equals, those of lower index. None is dropped.
 *
 * @param probabilities row-major [tokens, experts]. NaN counts as least: a model that diverged has its NaN in the loss
 */
export function routeTokens(probabilities: ArrayLike<number>, experts: number, active: number): Routing {
  const tokens = probabilities.length / experts;
  const picks = new Int32Array(tokens * active);
  const counts = new Array<number>(experts).fill(0);
  for (let token = 0; token < tokens; ++token) {
    for (let rank = 0; rank < active; ++rank) {
      const at = token * active;
      const expert = mostProbable(probabilities, token * experts, experts, picks.subarray(at, at + rank));
      picks[at + rank] = token * experts + expert;
      ++counts[expert]!;
    }
  }
  return { counts, picks, ...sorted(picks, counts, active) };
}

/** The expert of the highest probability that is not among those chosen. */
function mostProbable(
  probabilities: ArrayLike<number>,
  from: number,
  experts: number,
  chosen: Int32Array,
): number {
  let [best, most] = [-1, 0];
  for (let expert = 0; expert < experts; ++expert) {
    const probability = probabilities[from + expert]!;
    const better = best < 0 || probability > most || (Number.isNaN(most) && !Number.isNaN(probability));
    if (!better || chosen.includes(from + expert)) continue;
    best = expert;
    most = probability;
  }
  return best;
}

/** A counting sort by expert, which keeps the order of an expert's tokens. */
function sorted(
  picks: Int32Array,
  counts: readonly number[],
  active: number,
): Pick<Routing, 'rows' | 'places'> {
  const [rows, places] = [new Int32Array(picks.length), new Int32Array(picks.length)];
  let end = 0;
  const next = counts.map((count) => {
    end += count;
    return end - count;
  });
  for (const [i, pick] of picks.entries()) {
    const place = next[pick % counts.length]!++;
    places[i] = place;
    rows[place] = Math.floor(i / active);
  }
  return { rows, places };
}
