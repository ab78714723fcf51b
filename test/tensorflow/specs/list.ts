import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** The patterns of the specs that tfjs-node leaves out when it runs them, from its own `dist/run_tests.js`. */
export function leftOut(): string[] {
  const path = createRequire(import.meta.url).resolve('@tensorflow/tfjs-node/dist/run_tests.js');
  const list = /var IGNORE_LIST = \[\n([\s\S]*?)\n\];/.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
  const lines = list.split('\n').filter((line) => !line.trimStart().startsWith('//'));
  return lines.map((line) => /^\s*'(.*)',$/.exec(line)![1]!);
}
