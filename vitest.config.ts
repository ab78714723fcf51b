import { availableParallelism } from 'node:os';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What compiles for minutes: first, so that no core waits for the last of them. */
const LONGEST = [
  'test/native/fuzz.test.ts',
  'test/pack.test.ts',
  'test/adding/adding.test.ts',
  'test/native/kernels.test.ts',
  'test/native/arm64.test.ts',
  'test/native/compilers.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(name));
      return found < 0 ? LONGEST.length : found;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

const config: ViteUserConfig = defineConfig({
  // The paper imports the package by its name: here its sources, of which the tests have one copy then.
  ssr: { resolve: { conditions: ['polycom-source', 'module', 'node', 'development|production'] } },
  test: {
    include: ['test/**/*.test.ts', 'bench/paper/test/**/*.test.ts'],
    // A process each: a crash in native code is one failed file, not a lost run.
    pool: 'forks',
    // Vitest leaves one core free, which on two halves the speed: most files wait for processes that they start.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Of a test that has both cores to itself, twice the longest.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/summary-reporter.ts'],
  },
});

export default config;
