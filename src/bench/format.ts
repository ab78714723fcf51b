/** Milliseconds for people, in the unit that suits: `12.3 ms`, `41.5 µs`. */
export function duration(milliseconds: number): string {
  if (milliseconds >= 1000) return `${threeDigits(milliseconds / 1000)} s`;
  return milliseconds >= 1 ? `${threeDigits(milliseconds)} ms` : `${threeDigits(milliseconds * 1000)} µs`;
}

/** A span of milliseconds, in the unit of its end: `11.8–13.9 ms`. */
export function span(from: number, to: number): string {
  const [factor, unit] = to >= 1000 ? [1e-3, 's'] : to >= 1 ? [1, 'ms'] : [1e3, 'µs'];
  return `${threeDigits(from * factor)}–${threeDigits(to * factor)} ${unit}`;
}

/** Three significant digits, and no exponent. */
export function threeDigits(value: number): string {
  if (value === 0) return '0';
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 4));
}

/** `93 %`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** `11.2×`. */
export function times(ratio: number): string {
  return `${ratio >= 100 ? Math.round(ratio) : ratio.toPrecision(ratio >= 10 ? 3 : 2)}×`;
}

/** A cell's side. */
export type Align = 'left' | 'right';

/** Lines of a table whose columns line up. */
export function alignColumns(rows: readonly (readonly string[])[], aligns: readonly Align[]): string[] {
  const widths = aligns.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (aligns[i] === 'left' ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}
