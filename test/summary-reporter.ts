import type { Reporter, TestModule, Vitest } from 'vitest/node';

/** What a test file printed at once. */
type Printed = Parameters<NonNullable<Reporter['onUserConsoleLog']>>[0];

/** How a test file says why tests of it do not run: by `console.warn`, as it loads. */
const REASON = /^skipped: (.*)$/gm;

/** How many of the slowest files are listed. */
const SLOWEST = 15;

/**
 * Prints the slowest files, why tests were skipped and then, as the run's last line, `N passed, N failed` (and how many were skipped). A
 * skipped test has its reason from `context.skip(reason)`, or from a line that its file printed. A file that skips
 * tests and gives no reason is a failure.
 */
export default class SummaryReporter implements Reporter {
  /** The reasons that each file printed, by its id. */
  readonly #printed = new Map<string, Set<string>>();
  #vitest!: Vitest;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onUserConsoleLog({ content, taskId = '' }: Printed): void {
    const file = this.#vitest.state.idMap.get(taskId)?.file.id ?? '';
    for (const [, reason] of content.matchAll(REASON)) {
      const reasons = this.#printed.get(file);
      if (reasons === undefined) this.#printed.set(file, new Set([reason!]));
      else reasons.add(reason!);
    }
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) ++counts[test.result().state];
      // A file that does not load, or dies, has no failed test to show for it.
      if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0)
        ++counts.failed;
    }
    const lines = [...new Set(modules.flatMap((module) => this.#reasonsOf(module)))];
    const unexplained = modules.filter((module) => this.#isUnexplained(module));
    for (const { relativeModuleId } of unexplained)
      lines.push(`FAILED: ${relativeModuleId} skips tests without a reason; expected context.skip(reason)`);
    counts.failed += unexplained.length;
    if (unexplained.length > 0) process.exitCode = 1;
    const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
    lines.push(...slowest(modules), `${counts.passed} passed, ${counts.failed} failed${skipped}`);
    // After every other reporter's last words.
    process.once('exit', () => process.stdout.write(`${lines.join('\n')}\n`));
  }

  #reasonsOf(module: TestModule): string[] {
    const given = [...module.children.allTests('skipped')].map((test) => {
      const { note } = test.result() as { readonly note?: string };
      return note === undefined ? [] : [`${test.name}: ${note}`];
    });
    return [...(this.#printed.get(module.id) ?? []), ...given.flat()].map((reason) => `skipped: ${reason}`);
  }

  /** Whether a file skips tests, not because a name was asked for, and says nothing of why. */
  #isUnexplained(module: TestModule): boolean {
    if (this.#vitest.config.testNamePattern !== undefined) return false;
    return [...module.children.allTests('skipped')].length > 0 && this.#reasonsOf(module).length === 0;
  }
}

/** The seconds that the slowest files took, hooks included, a line each. */
function slowest(modules: readonly TestModule[]): string[] {
  return modules
    .map((module) => {
      const { collectDuration, setupDuration, duration } = module.diagnostic();
      return { name: module.relativeModuleId, ms: collectDuration + setupDuration + duration };
    })
    .sort((a, b) => b.ms - a.ms)
    .slice(0, SLOWEST)
    .filter(({ ms }) => ms >= 1000)
    .map(({ name, ms }) => `slow: ${(ms / 1000).toFixed(0)} s in ${name}`);
}
