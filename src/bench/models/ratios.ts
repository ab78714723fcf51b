import { round } from '../statistics.js';
import type { GenerateRow, ModelVariant, TrainRow } from './types.js';

/**
 * Adds each row's ratios, all within this run: against stock with the same activation and, where it is fused, against
 * the fused model with ReLU. A row that failed neither has ratios nor gives any.
 *
 * @param alike whether two rows measure the same work
 */
export function relateModels<Row extends TrainRow | GenerateRow>(
  rows: readonly Row[],
  alike: (a: Row, b: Row) => boolean = () => true,
): Row[] {
  return rows.map((row) => {
    if (!row.ok) return row;
    const find = (activation: string, variant: ModelVariant): Row | undefined =>
      rows.find(
        (other) =>
          other.ok && other.activation === activation && other.variant === variant && alike(other, row),
      );
    const [stock, relu] = [find(row.activation, 'stock'), find('relu', 'fused')];
    const of = (other: Row): number => round(other.ms_p50! / row.ms_p50!);
    return {
      ...row,
      ...(stock === undefined || row.variant === 'stock' ? {} : { vs_stock: of(stock) }),
      ...(relu === undefined || row.variant !== 'fused' ? {} : { vs_relu: of(relu) }),
    };
  });
}
