import { escapeHtml } from 'polycom/report';

/** A verdict's look. */
export type Mark = 'good' | 'bad' | 'open';

/** A cell: text, one that stands out, or a verdict. */
export type Cell = string | { readonly text: string; readonly strong?: boolean; readonly mark?: Mark };

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Whether it is prose, that goes over several lines. */
  readonly wrap?: boolean;
  readonly cell: (row: Row) => Cell;
}

/** A table as HTML: columns that are empty in every row are left out. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const used = columns.filter(({ cell }) => rows.some((row) => textOf(cell(row)) !== ''));
  const side = ({ align, wrap }: Column<Row>): string =>
    align === 'right' ? ' class="right"' : wrap ? ' class="prose"' : '';
  const head = used.map((column) => `<th${side(column)}>${escapeHtml(column.title)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = used.map((column) => `<td${side(column)}>${formatCell(column.cell(row))}</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div>`;
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function formatCell(cell: Cell): string {
  const text = escapeHtml(textOf(cell));
  if (typeof cell === 'string') return text;
  if (cell.mark !== undefined) return `<span class="verdict ${cell.mark}">${text}</span>`;
  return cell.strong ? `<b>${text}</b>` : text;
}
