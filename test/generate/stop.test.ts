import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StopFilter } from '../../src/generate/stop.js';

function filtered(stops: string[], pieces: string[]): { text: string; stopped: boolean; steps: string[] } {
  const filter = new StopFilter(stops);
  const steps: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = filter.push(piece);
    steps.push(text);
    if (stopped) return { text: steps.join(''), stopped, steps };
  }
  return { text: steps.join('') + filter.end(), stopped: false, steps };
}

describe('a stop string', () => {
  test.each([
    ['in one piece', ['END'], ['one END two'], 'one '],
    ['over pieces', ['END'], ['one E', 'N', 'D two'], 'one '],
    ['after a false start', ['aab'], ['a', 'a', 'a', 'b'], 'a'],
    ['at the beginning', ['END'], ['E', 'ND'], ''],
    ['of letters beyond ASCII', ['¿é😀'], ['x¿', 'é', '😀'], 'x'],
    ['that shares half a letter with another', ['😀'], ['😁', '😀'], '😁'],
    ['that ends first', ['abcd', 'bc'], ['abcd'], 'a'],
    ['that is longer and ends with another', ['c', 'bc'], ['abc'], 'a'],
  ])('%s', (_, stops, pieces, text) => {
    expect(filtered(stops, pieces)).toMatchObject({ text, stopped: true });
  });

  test('holds back no more than may become one', () => {
    expect(filtered(['END'], ['one E', 'x', 'EN', 'EN', 'd']).steps).toEqual(['one ', 'Ex', '', 'EN', 'ENd']);
  });

  test('that does not come loses nothing', () => {
    expect(filtered(['END'], ['one E', 'N'])).toMatchObject({ text: 'one EN', stopped: false });
    expect(filtered([], ['a', 'b']).steps).toEqual(['a', 'b']);
  });

  test('is found wherever the pieces end', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 12 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), stops, (pieces, strings) => {
        const whole = pieces.join('');
        // By definition: the shortest beginning of the text that ends in a string.
        const ends = Array.from({ length: whole.length + 1 }, (_, i) => i);
        const end = ends.find((i) => strings.some((stop) => whole.slice(0, i).endsWith(stop)));
        const found = strings.filter((stop) => whole.slice(0, end).endsWith(stop));
        const longest = Math.max(0, ...found.map(({ length }) => length));
        const { text, stopped } = filtered(strings, pieces);
        expect(stopped).toBe(end !== undefined);
        expect(text).toBe(end === undefined ? whole : whole.slice(0, end - longest));
      }),
    );
  });
});
