/** The list of the paper's claims: one file, so that it can be read beside the paper. */
import { DENSE } from '../plan/names.js';
import { PUBLISHED_DENSE, PUBLISHED_MIXTURE, type Published as PublishedOf } from '../plan/published.js';

/** Where a published number is from: the paper's full text was not at hand. */
export const SOURCES = {
  S: "read off the curves in the authors' repository, to 0.001",
  C: "the authors' code",
  K: 'a Korean translation of sections 1 to 3',
  A: 'a stored review of the parsed paper',
  B: 'a post about the paper',
  L: 'a summary of the paper',
  N: 'notes of others on the paper',
  R: "the reviews of the paper's submission",
  M: 'from memory, unverified',
} as const;

/** A source, by its letter in {@link SOURCES}. */
export type Source = keyof typeof SOURCES;

/** What is compared, of the candidate less the reference. */
export type Metric =
  /** Cross-entropy in nats a token, at the end of training. */
  | 'trainLoss'
  | 'heldOutLoss'
  /** The share of the reference's tokens that the candidate does not need for the reference's final loss. */
  | 'tokensSaved'
  /** The share of right answers. */
  | 'top1'
  | 'downstream'
  /** The loss of each size, averaged over the sizes. */
  | 'scalingLoss'
  /** Effective rank of the network's matrices, and cosine similarity of layers, averaged over layers. */
  | 'effectiveRank'
  | 'layerSimilarity';

/** Which experiment tests a claim. */
export type ClaimGroup = 'dense' | 'moe' | 'ablation' | 'scaling' | 'dynamics';

/** A number that was published for a claim. */
export interface Published {
  /** In the metric's unit; null where only the direction is known. */
  readonly value: number | null;
  readonly source: readonly Source[];
  /** What the number is of, where that is not clear. */
  readonly note?: string;
}

interface ClaimBase {
  readonly id: string;
  readonly group: ClaimGroup;
  /** The claim in a sentence. */
  readonly text: string;
  readonly published: Published;
}

/** A claim that one activation or setting is better or worse than, or as good as, another. */
export interface ComparedClaim extends ClaimBase {
  readonly metric: Metric;
  readonly candidate: string;
  readonly reference: string;
  readonly expects: 'lower' | 'higher' | 'equal';
  /** Of `equal`: differences up to this count as none. */
  readonly margin?: number;
}

/** A claim that no experiment here can test. */
export interface UntestableClaim extends ClaimBase {
  readonly untestable: string;
}

/** A claim of the paper. */
export type Claim = ComparedClaim | UntestableClaim;

const S: readonly Source[] = ['S'];
const published = (value: number | null, source: readonly Source[], note?: string): Published => ({
  value,
  source,
  ...(note === undefined ? {} : { note }),
});

/** Published of a candidate less of a reference, to as many digits as both have. */
const difference = (
  candidate: string,
  reference: string,
  of: (published: PublishedOf) => number,
  from = PUBLISHED_DENSE,
): number => Number((of(from[candidate]!) - of(from[reference]!)).toFixed(4));

const denseLoss = (candidate: string, reference: string): ComparedClaim => ({
  id: `dense-loss-${candidate}-${reference}`,
  group: 'dense',
  text: `A dense model with ${DENSE[candidate]} trains to a lower loss than with ${DENSE[reference]}, at equal parameters and tokens.`,
  metric: 'trainLoss',
  candidate,
  reference,
  expects: 'lower',
  published: published(
    difference(candidate, reference, ({ trainLoss }) => trainLoss),
    S,
  ),
});

const denseHeldOut = (candidate: string): ComparedClaim => ({
  id: `dense-held-out-${candidate}`,
  group: 'dense',
  text: `${DENSE[candidate]} has a lower held-out loss than SwiGLU.`,
  metric: 'heldOutLoss',
  candidate,
  reference: 'swiglu',
  expects: 'lower',
  published: published(
    difference(candidate, 'swiglu', ({ validation }) => validation!),
    S,
    'of what is plotted as "val PPL", which is no exponential of the loss',
  ),
});

const denseDownstream = (candidate: string, source: readonly Source[]): ComparedClaim => ({
  id: `dense-downstream-${candidate}`,
  group: 'dense',
  text: `${DENSE[candidate]} answers more downstream questions right than SwiGLU.`,
  metric: 'downstream',
  candidate,
  reference: 'swiglu',
  expects: 'higher',
  published: published(
    PUBLISHED_DENSE[candidate]!.average === undefined
      ? null
      : difference(candidate, 'swiglu', ({ average }) => average! / 100),
    source,
    'the mean of six public tasks; here questions made from held-out text',
  ),
});

const denseTokens = (candidate: string): ComparedClaim => ({
  id: `dense-tokens-${candidate}`,
  group: 'dense',
  text: `${DENSE[candidate]} comes to SwiGLU's final training loss with fewer tokens.`,
  metric: 'tokensSaved',
  candidate,
  reference: 'swiglu',
  expects: 'higher',
  published: published(PUBLISHED_DENSE[candidate]!.saving!, S),
});

/** Every claim of the paper that is known here, in the order of its experiments. */
export const CLAIMS: readonly Claim[] = [
  ...['polynorm', 'polyrelu'].flatMap((candidate) =>
    ['swiglu', 'gelu', 'relu'].map((reference) => denseLoss(candidate, reference)),
  ),
  denseLoss('polynorm', 'polyrelu'),
  denseTokens('polynorm'),
  denseTokens('polyrelu'),
  denseHeldOut('polynorm'),
  denseHeldOut('polyrelu'),
  denseDownstream('polynorm', ['B', 'L', 'N']),
  denseDownstream('polyrelu', ['M']),
  {
    id: 'dense-public-tasks',
    group: 'dense',
    text: 'PolyNorm reaches 58.68 % on average on ARC-E, ARC-C, HellaSwag, PIQA, SciQ and WinoGrande, SwiGLU 57.47 %.',
    published: published(PUBLISHED_DENSE.polynorm!.average! / 100, ['N']),
    untestable: 'it takes a model of 1.3 billion parameters, 250 billion tokens and the public tasks',
  },
  {
    id: 'moe-loss',
    group: 'moe',
    text: 'A mixture of experts with PolyNorm trains to a lower loss than with SwiGLU, at equal total and active parameters.',
    metric: 'trainLoss',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'lower',
    published: published(
      difference('polynorm', 'swiglu', ({ trainLoss }) => trainLoss, PUBLISHED_MIXTURE),
      S,
    ),
  },
  {
    id: 'moe-held-out',
    group: 'moe',
    text: 'A mixture of experts with PolyNorm has a lower loss on every held-out set.',
    metric: 'heldOutLoss',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'lower',
    published: published(-0.02, ['L'], 'the mean of 11 sets; C4 and Wikipedia -0.016 as plotted'),
  },
  {
    id: 'moe-tokens',
    group: 'moe',
    text: "A mixture of experts with PolyNorm comes to SwiGLU's final training loss with fewer tokens.",
    metric: 'tokensSaved',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'higher',
    published: published(PUBLISHED_MIXTURE.polynorm!.saving!, S),
  },
  {
    id: 'moe-downstream',
    group: 'moe',
    text: 'A mixture of experts with PolyNorm answers more downstream questions right.',
    metric: 'downstream',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'higher',
    published: published(
      0.0059,
      ['N'],
      'the mean of nine public tasks; here questions made from held-out text',
    ),
  },
  {
    id: 'order-3-2',
    group: 'ablation',
    text: 'Order 3 trains to a lower loss than order 2.',
    metric: 'trainLoss',
    candidate: 'polynorm order 3',
    reference: 'polynorm order 2',
    expects: 'lower',
    published: published(null, ['M']),
  },
  {
    id: 'order-4-3',
    group: 'ablation',
    text: 'Order 4 is no better than order 3.',
    metric: 'trainLoss',
    candidate: 'polynorm order 4',
    reference: 'polynorm order 3',
    expects: 'equal',
    margin: 0.01,
    published: published(
      0,
      ['N', 'A'],
      "as plotted; half of PolyNorm's gain over SwiGLU counts as none here",
    ),
  },
  {
    id: 'polyrelu-relu2',
    group: 'ablation',
    text: 'PolyReLU trains to a lower loss than ReLU².',
    metric: 'trainLoss',
    candidate: 'polyrelu',
    reference: 'relu2',
    expects: 'lower',
    published: published(null, ['A'], 'a figure only'),
  },
  {
    id: 'scaling-polynorm',
    group: 'scaling',
    text: 'PolyNorm is below SwiGLU at sizes from 110 million to 1.3 billion parameters.',
    metric: 'scalingLoss',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'lower',
    published: published(null, ['N'], 'a figure only; here at smaller sizes'),
  },
  {
    id: 'rank-polynorm',
    group: 'dynamics',
    text: "PolyNorm raises the effective rank of the feed-forward network's weights above SwiGLU's.",
    metric: 'effectiveRank',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'higher',
    published: published(null, ['A', 'R']),
  },
  {
    id: 'rank-polyrelu',
    group: 'dynamics',
    text: "PolyReLU raises the effective rank of the feed-forward network's weights above SwiGLU's.",
    metric: 'effectiveRank',
    candidate: 'polyrelu',
    reference: 'swiglu',
    expects: 'higher',
    published: published(null, ['A', 'R']),
  },
  {
    id: 'similarity-polynorm',
    group: 'dynamics',
    text: 'Layers of a model with PolyNorm are less alike than with SwiGLU.',
    metric: 'layerSimilarity',
    candidate: 'polynorm',
    reference: 'swiglu',
    expects: 'lower',
    published: published(null, ['A', 'R']),
  },
  {
    id: 'similarity-polyrelu',
    group: 'dynamics',
    text: 'Layers of a model with PolyReLU are less alike than with SwiGLU.',
    metric: 'layerSimilarity',
    candidate: 'polyrelu',
    reference: 'swiglu',
    expects: 'lower',
    published: published(null, ['A', 'R']),
  },
  {
    id: 'vision',
    group: 'dense',
    text: 'PolyCom helps a ResNet-50 on ImageNet too.',
    published: published(null, ['M']),
    untestable: 'there is no vision model and no ImageNet here',
  },
];
