import type { ActivationName as FusedName } from '../activations/table.js';
import type { VariantName } from '../activations/variants.js';

/** The name of an activation that a model can have. */
export type ActivationName = FusedName | VariantName;

/** What an activation may be told: its scalars, by the names and choices that its function has, such as `epsilon`. */
export interface ActivationOptions {
  /** The weights that training begins with, highest power first; `paper` by default: each 1 / order. */
  readonly init?: 'paper' | readonly number[];
  readonly [scalar: string]: number | string | readonly number[] | undefined;
}

/** A decoder in the manner of LLaMA: pre-RMSNorm, rotary embedding, causal attention, a feed-forward network. */
export interface ModelConfig {
  readonly vocabulary: number;
  /** Of the residual stream. */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  /** Heads of keys and values; divides `heads`. */
  readonly kvHeads: number;
  /** Even, for the rotary embedding turns pairs. */
  readonly headWidth: number;
  /** Of the feed-forward network, or of one expert in a mixture. */
  readonly hidden: number;
  /** The name of a row of the activation table, or of a variant (src/activations/variants.ts). */
  readonly activation: ActivationName;
  /** For ablations; the paper's forms by default. */
  readonly activationOptions?: ActivationOptions;
  /** Of a polynomial activation; the others have no use of it. */
  readonly order: number;
  /** The longest sequence, in tokens. */
  readonly context: number;
  /** Whether the output matrix is the embedding. */
  readonly tied: boolean;
  /** RMSNorm over the whole query and the whole key, before heads and rotary embedding (OLMo). */
  readonly qkNorm: boolean;
  readonly ropeBase: number;
  /** Inside the roots of the RMSNorms. */
  readonly normEpsilon: number;
  /** The share of zeros on the embedding's output and on each residual branch, in training. */
  readonly dropout: number;
  /** None for a dense model. */
  readonly experts?: ExpertConfig;
  /** The standard deviation of the first matrices; of those into the residual stream, divided by sqrt(2 layers). */
  readonly deviation: number;
}

/** A mixture of experts in place of each feed-forward network: dropless, with a router that chooses `active`. */
export interface ExpertConfig {
  readonly count: number;
  /** How many serve a token. */
  readonly active: number;
  /** Who has an activation's coefficients: the layer, or each expert its own. */
  readonly coefficients: 'layer' | 'expert';
  /** Whether the chosen probabilities are divided by their sum (OLMoE does not). */
  readonly normalised: boolean;
  /** Of the load-balance loss in the total. */
  readonly balanceWeight: number;
  /** Of the router's z loss in the total. */
  readonly zWeight: number;
}
