import type { Interval } from '../judge/statistics.js';

/** A loss, or a difference of losses: four digits behind the point. */
export function loss(value: number): string {
  return value.toFixed(4);
}

/** With its sign: `−0.0123`. */
export function signed(value: number, digits: number = 4): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? '−' : '+'}${text}`;
}

/** A share in percent, with one digit: `37.1 %`. */
export function share(value: number): string {
  const text = Math.abs(100 * value).toFixed(1);
  return `${value < 0 && Number(text) !== 0 ? '−' : ''}${text} %`;
}

/** A mean with the half of its interval: `2.1234 ± 0.0056`. */
export function plusMinus({ mean, high }: Interval, format: (value: number) => string = loss): string {
  return high === null ? format(mean) : `${format(mean)} ± ${format(high - mean)}`;
}

/** A mean with the ends of its interval: `−0.0123 [−0.0200, −0.0046]`. */
export function withEnds(
  { mean, low, high }: Pick<Interval, 'mean' | 'low' | 'high'>,
  format: (value: number) => string = signed,
): string {
  const end = (value: number | null): string => (value === null ? '…' : format(value));
  return low === null && high === null ? format(mean) : `${format(mean)} [${end(low)}, ${end(high)}]`;
}

/** A p value: `0.013`, `< 0.001`. */
export function probability(p: number | null): string {
  if (p === null) return '';
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

/** Seconds for people: `34 s`, `12 min`, `1.5 h`. */
export function time(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
