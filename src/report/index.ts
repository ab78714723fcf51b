/** Pages of HTML that need nothing but themselves: of the benchmarks, and out of one's own figures, tiles and lists. */
export { type Bar, CHART_STYLE, drawBars, type ValueOptions } from './bars.js';
export { type Charts, loadCharts } from './charts.js';
export type { Figure, Panel } from './figure.js';
export { type AnyDocument, formatReport } from './html.js';
export { drawIntervals, type IntervalRow } from './intervals.js';
export { type Entry, type Setting, settingList } from './labels.js';
export { formatPage, type Page } from './page.js';
export {
  escapeHtml,
  formatFigure,
  formatList,
  formatNotes,
  formatTiles,
  type Tile,
} from './parts.js';
