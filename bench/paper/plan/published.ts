/**
 * What the paper (arXiv 2411.03884) published of its models of a billion parameters, to stand beside what is measured
 * here. Losses and perplexities are read from the curves of the official repository, to 0.001; savings are those of
 * the tokens to SwiGLU's final training loss, from the same curves.
 */
export interface Published {
  readonly trainLoss: number;
  /** As plotted; what it is of, the sources do not say. */
  readonly validation?: number;
  /** Share of SwiGLU's tokens that was not needed. */
  readonly saving?: number;
  /** Mean accuracy of six downstream tasks, in percent, where a source could be read. */
  readonly average?: number;
}

/** Dense, 1.3 billion parameters, 250 billion tokens. */
export const PUBLISHED_DENSE: Readonly<Record<string, Published>> = {
  swiglu: { trainLoss: 2.19, validation: 3.193, average: 57.47 },
  gelu: { trainLoss: 2.209, validation: 3.224 },
  relu: { trainLoss: 2.216, validation: 3.24 },
  polyrelu: { trainLoss: 2.178, validation: 3.161, saving: 0.18 },
  polynorm: { trainLoss: 2.171, validation: 3.15, saving: 0.31, average: 58.68 },
};

/** Mixture of experts, 7 billion parameters of which 1 billion serve a token, 200 billion tokens. */
export const PUBLISHED_MIXTURE: Readonly<Record<string, Published>> = {
  swiglu: { trainLoss: 2.356 },
  polynorm: { trainLoss: 2.341, saving: 0.2 },
};
