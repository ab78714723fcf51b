import type { RunSpec } from '../types.js';

/** What a worker is told: to carry out a run, to save and leave the one in hand, to end. */
export type ToWorker =
  | {
      readonly kind: 'run';
      readonly id: string;
      readonly spec: RunSpec;
      /** The folder of the store. */
      readonly store: string;
      /** Where the text of the spec lies. */
      readonly path?: string;
    }
  | { readonly kind: 'stop' }
  | { readonly kind: 'end' };

/** What a worker tells. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'step'; readonly id: string; readonly step: number }
  /** The run is finished, or was told to stop and is saved. */
  | { readonly kind: 'ended'; readonly id: string; readonly finished: boolean }
  | { readonly kind: 'failed'; readonly id: string; readonly reason: string };
