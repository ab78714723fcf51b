import type * as Plot from '@observablehq/plot';
import { PolycomError } from '../common/errors.js';

/** Draws a chart as SVG. */
export interface Charts {
  readonly plot: typeof Plot;
  /** The chart's SVG element, as text. */
  draw(options: Plot.PlotOptions): string;
}

/**
 * Loads the chart libraries, which a plain installation does not have.
 *
 * @throws {PolycomError} `UNSUPPORTED`, with the remedy, where they are not installed
 */
export async function loadCharts(): Promise<Charts> {
  const [plot, { parseHTML }] = await load();
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return {
    plot,
    draw: (options) => {
      const svg = plot.plot({ ...options, document });
      svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
      return svg.outerHTML;
    },
  };
}

async function load() {
  try {
    return await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  } catch (cause) {
    throw new PolycomError('UNSUPPORTED', 'the libraries that draw the charts are not installed', {
      remedy: 'npm install @observablehq/plot linkedom',
      cause,
    });
  }
}
