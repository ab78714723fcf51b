import type { Reporter, TestModule } from 'vitest/node';

/** Prints, as the run's last line, `N passed, N failed` (and what was skipped). */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) ++counts[test.result().state];
      // A file that does not load, or dies, has no failed test to show for it.
      if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0)
        ++counts.failed;
    }
    const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
    // After every other reporter's last words.
    process.once('exit', () =>
      process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`),
    );
  }
}
