import { availableParallelism } from 'node:os';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

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
    reporters: ['default', './test/summary-reporter.ts'],
  },
});

export default config;
