import { DENSE } from '../plan/names.js';
import type { CompareDocument, DocumentRun, ExperimentName } from '../types.js';

/** The mean final results of runs that differ in their seed alone. */
export interface Means {
  readonly label: string;
  readonly data: string;
  readonly seeds: number;
  /** Held-out cross-entropy in nats a token, the mean over seeds. */
  readonly loss: number;
  readonly perplexity: number;
  readonly top1: number;
}

/** The means of an experiment, in its order; runs that diverged are left out. */
export function meansOf({ experiments, runs }: CompareDocument, name: ExperimentName): Means[] {
  const byId = new Map(runs.map((run) => [run.id, run]));
  const groups = new Map<string, DocumentRun[]>();
  for (const { id, labels } of experiments.find((one) => one.name === name)?.runs ?? []) {
    const key = JSON.stringify([labels.data, labels.label]);
    groups.set(key, [...(groups.get(key) ?? []), byId.get(id)!]);
  }
  return [...groups].flatMap(([key, group]) => {
    const [data, label] = JSON.parse(key) as [string, string];
    const finals = group.flatMap(({ result: { final } }) => final ?? []);
    if (finals.length === 0) return [];
    const mean = (of: (final: (typeof finals)[number]) => number): number =>
      finals.reduce((sum, final) => sum + of(final), 0) / finals.length;
    const loss = mean((final) => final.loss);
    const perplexity = Math.exp(loss);
    return [{ label, data, seeds: finals.length, loss, perplexity, top1: mean(({ top1 }) => top1) }];
  });
}

/** The dense comparison and the mixtures as text: the rest is the report's. */
export function comparisonTable(document: CompareDocument): string {
  const lines = (['dense', 'moe'] as const).flatMap((name) => {
    const means = meansOf(document, name);
    if (means.length === 0) return [];
    const title = document.experiments.find((one) => one.name === name)!.title;
    const width = Math.max(...Object.values(DENSE).map(({ length }) => length));
    return [
      `${title}: held-out loss, perplexity, next-token top-1`,
      ...means.map(
        ({ label, data, seeds, loss, perplexity, top1 }) =>
          `  ${label.padEnd(width)}  ${loss.toFixed(4)}  ${perplexity.toFixed(3)}  ${(100 * top1).toFixed(2)} %  on ${data}, ${seeds} seeds`,
      ),
    ];
  });
  return [...lines, ...document.notes].join('\n');
}
