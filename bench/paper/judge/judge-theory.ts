import { labelOf } from 'polycom/model';
import type { CostResult } from '../cost/index.js';
import type { TheoryResult } from '../theory/index.js';
import type { Judgement } from './judge.js';

/** A claim about what is computed or counted, not sampled: there is no chance in it, so no interval decides. */
interface ComputedClaim<Result> {
  readonly id: string;
  readonly text: string;
  readonly judge: (result: Result) => { readonly holds: boolean | null; readonly reason: string };
}

/** What f64 leaves of an exact identity, as a share of the sum of its absolute terms. */
const MACHINE = 1e-15;
/** How far a measured exponent may fall short of the predicted one, as a share: grids are finite. */
const EXPONENT_SHARE = 0.15;

const THEORY: readonly ComputedClaim<TheoryResult>[] = [
  {
    id: 'theory-exact',
    text: 'ReLU and ReLU² networks and polynomials are PolyReLU networks, exactly and of the same size (lemma 1, theorem 1).',
    judge: ({ exact }) => {
      const networks = exact.filter(({ kind }) => kind !== 'polynomial');
      const worst = Math.max(...exact.map(({ relative }) => relative));
      return {
        holds: networks.every(({ error }) => error === 0) && worst < MACHINE,
        reason: `networks differ by ${Math.max(...networks.map(({ error }) => error))}, polynomials by at most ${digits(worst)} of their terms' sum in f64`,
      };
    },
  },
  {
    id: 'theory-size',
    text: 'A ReLU network of error ε in place of a PolyReLU network takes a size that grows with log(1 / ε), and no less can do (theorem 2).',
    judge: ({ sizes }) => {
      const bounded = sizes.every(({ relu }) =>
        relu.every(({ units, unitsAtLeast }) => units >= unitsAtLeast),
      );
      const grow = sizes.every(({ unitsPerBit: { low } }) => low !== null && low > 0);
      const slopes = sizes.map(({ name, unitsPerBit }) => `${digits(unitsPerBit.mean)} (${name})`).join(', ');
      return {
        holds: bounded && grow,
        reason: `ReLU units for each bit of 1 / ε, by the best construction known: ${slopes}; at least half a unit a bit is needed by any. PolyReLU: ${sizes.map(({ polyrelu }) => polyrelu.units).join(', ')} units whatever ε. Of x², x³ and x y only: networks of any width and depth are left to the proof`,
      };
    },
  },
  {
    id: 'theory-rate',
    text: 'PolyReLU networks approximate the unit ball of W^{n,∞} in d dimensions with O(ε^(-d/n)) parameters (theorem 3).',
    judge: ({ sobolev }) => ({
      holds: sobolev.every(
        ({ predictedSlope, polyreluLastSlope }) => polyreluLastSlope / predictedSlope >= 1 - EXPONENT_SHARE, // O() bounds from above: steeper is within it
      ),
      reason: `log error by log parameters, between the two largest grids, beside −n/d: ${sobolev
        .map(({ polyreluLastSlope, predictedSlope }) => `${digits(polyreluLastSlope)} (${predictedSlope})`)
        .join(
          ', ',
        )}; steeper on small grids, whose k + 1 knots for k cells make them dear. On the worst of a set of targets, not of the whole ball`,
    }),
  },
  {
    id: 'theory-log',
    text: 'ReLU networks take a factor log(1 / ε) more.',
    judge: ({ sobolev }) => {
      const smooth = sobolev.filter(({ n }) => n === 3);
      const ratios = smooth.map(
        ({ d, ratio }) => `${digits(ratio[0]!.y)} to ${digits(ratio.at(-1)!.y)} (d = ${d})`,
      );
      return {
        holds: smooth.every(({ ratio }) => ratio.at(-1)!.y > ratio[0]!.y),
        reason: `ReLU's parameters over PolyReLU's for n = 3 rise from ${ratios.join(', ')} over the grids; for n below 3 they do not, as errors of its products cancel there. The log is of the known construction, no lower bound`,
      };
    },
  },
];

const COST: readonly ComputedClaim<CostResult>[] = [
  ...['polyrelu', 'polynorm', 'gelu', 'swiglu', 'relu2'].map(
    (activation): ComputedClaim<CostResult> => ({
      id: `cost-flops-${activation}`,
      text: `The operations of ${labelOf(activation)} over those of its feed-forward network are as published.`,
      judge: ({ flopsOfPaper }) => {
        const row = flopsOfPaper.find((candidate) => candidate.activation === activation);
        if (row === undefined) return { holds: null, reason: 'it was not counted' };
        const special =
          row.written.special > 0 ? ', where an exponential or error function counts as one' : '';
        return {
          holds: null,
          reason: `${digits(row.shareTimesWidth)} / H counted${special}; the published ratios, of the paper's appendix, were not at hand`,
        };
      },
    }),
  ),
  {
    id: 'cost-memory-recompute',
    text: 'With recomputation, PolyReLU and PolyNorm keep their input alone for the backward pass.',
    judge: ({ memory }) => {
      const rows = memory.filter(({ activation }) => ['polyrelu', 'polynorm'].includes(activation));
      if (rows.length === 0 || rows.some(({ kept }) => kept.recompute === null)) return notMeasured;
      return {
        holds: rows.every(({ kept }) => kept.recompute! < 4.01 && (kept.fused === null || kept.fused < 4.01)),
        reason: rows
          .map(({ activation, kept }) => `${labelOf(activation)} ${digits(kept.recompute!)} bytes an element`)
          .join(', '),
      };
    },
  },
  {
    id: 'cost-memory-order',
    text: 'Without recomputation, PolyReLU keeps about as many tensors as its order, 3.',
    judge: ({ memory }) => {
      const row = memory.find(({ activation }) => activation === 'polyrelu');
      if (row === undefined || row.kept.tape === null) return notMeasured;
      const tensors = row.kept.tape / 4;
      return {
        holds: Math.abs(tensors - 3) <= 0.5,
        reason: `${digits(tensors)} tensors on tfjs's tape; ${row.analytic.tape / 4} by formula`,
      };
    },
  },
];

const notMeasured = { holds: null, reason: 'nothing was measured' };

/** The paper's theorems beside what was computed. */
export function judgeTheory(theory: TheoryResult): Judgement[] {
  return THEORY.map((claim) => computed(claim, theory));
}

/** The paper's figures of cost beside what was counted and measured. */
export function judgeCost(cost: CostResult): Judgement[] {
  return COST.map((claim) => computed(claim, cost));
}

function computed<Result>({ id, text, judge }: ComputedClaim<Result>, result: Result): Judgement {
  const { holds, reason } = judge(result);
  const verdict = holds === null ? 'not testable here' : holds ? 'reproduced' : 'not reproduced';
  return { id, text, verdict, reason, finding: null, publishedInside: null };
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
