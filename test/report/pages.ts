import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { labelOf } from '../../src/activations/labels.js';
import { activationRows } from '../../src/activations/table.js';
import { findChromium, openPage } from '../chromium.js';

const folder = mkdtempSync(join(tmpdir(), 'polycom-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const chromium = await findChromium();
if (chromium === undefined) console.warn('skipped: the reports on a phone: there is no chromium');

/** Checks a page for whoever reads it: on a phone, by links, by ear. */
export function describePage(name: string, page: string): void {
  describe(`the page of ${name}`, () => {
    const all = (pattern: RegExp): string[] => Array.from(page.matchAll(pattern), ([, found]) => found!);

    test('has one title, and a table of contents whose links lead somewhere', () => {
      expect(all(/(<h1[ >])/g)).toHaveLength(1);
      const ids = all(/ id="([^"]+)"/g);
      expect(new Set(ids).size).toBe(ids.length);
      const links = all(/href="#([^"]+)"/g);
      for (const link of links) expect(ids).toContain(link);
      const [nav] = all(/<nav [^>]*>(.*?)<\/nav>/gs);
      for (const level of [2, 3]) {
        for (const id of all(new RegExp(`<h${level} id="([^"]+)"`, 'g')))
          expect(nav).toContain(`href="#${id}"`);
      }
      expect(all(/(<h[2-4]>)/g)).toEqual([]);
    });

    test('tells of every chart by a label and a title', () => {
      const drawn = all(/(<svg [^>]*>(?:<title>)?)/g);
      expect(drawn.length).toBeGreaterThan(3);
      for (const svg of drawn) expect(svg).toMatch(/^<svg role="img" aria-label="[^"]{5,}".*<title>$/);
    });

    test('draws every chart as wide as a phone, or lets it be scrolled', () => {
      for (const figure of all(/<figure>(.*?)<\/figure>/gs)) {
        const widths = Array.from(figure.matchAll(/<svg [^>]* width="(\d+)"/g), ([, width]) => Number(width));
        if (!figure.includes('class="scroll fixed"')) expect(Math.min(...widths)).toBeLessThanOrEqual(342);
      }
    });

    test('has no key of a document and no identifier of an activation for a name', () => {
      const text = page.replaceAll(/<style>.*?<\/style>|<[^>]*>/gs, '\n');
      expect(text).not.toMatch(/\b(memory_gb|cache_mb|tf_allocator|tf_onednn|gpu_sms)\b|\{"/);
      for (const { name: id } of activationRows) {
        if (labelOf(id) !== id) expect(text).not.toMatch(new RegExp(`^${id}\\b`, 'm'));
      }
    });

    test.skipIf(chromium === undefined)(
      'is not scrolled sideways at 390 pixels, nor are its parts cut off',
      async () => {
        writeFileSync(join(folder, `${name}.html`), page);
        const frame = join(folder, `${name}-frame.html`);
        writeFileSync(
          frame,
          `<!doctype html><body><iframe src="${name}.html" style="border:0;width:390px;height:3000px"></iframe><script>
const frame = document.querySelector('iframe');
frame.onload = () => {
  const page = frame.contentDocument;
  const wide = [...page.querySelectorAll('body *')].filter((element) =>
    !element.parentElement.closest('.scroll') && element.getBoundingClientRect().right > 391);
  const smallest = Math.min(...[...page.querySelectorAll('svg')].filter((svg) => svg.clientWidth > 0)
    .map((svg) => 12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width));
  document.body.textContent = JSON.stringify({ width: page.documentElement.scrollWidth, smallest,
    wide: wide.map((element) => element.outerHTML.slice(0, 80)) });
};</script>`,
        );
        const { stdout, stderr } = await openPage(chromium!, frame, folder);
        const [, json] = /<body>(.*?)<\/body>/s.exec(stdout) ?? [];
        expect(json, stderr).toMatch(/^\{/);
        const { width, wide, smallest } = JSON.parse(json!) as {
          width: number;
          wide: string[];
          smallest: number;
        };
        expect(wide).toEqual([]);
        expect(width).toBeLessThanOrEqual(390);
        // Pixels of a chart's text.
        expect(smallest).toBeGreaterThan(11);
      },
      120_000,
    );
  });
}
