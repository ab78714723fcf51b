/**
 * tfjs-core's own specs on the backend of the tfjs-node that is loaded, as its `dist/run_tests.js` runs them, but none
 * left out. Bundled by bundle.ts; the argument is the file that takes the results.
 */
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { writeFileSync } from 'node:fs';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util.js';

/** A spec's end: `passed`, `failed` or `pending`, and why it failed. */
export interface SpecResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
}

/** What this file uses of jasmine, which has no types of its own. */
interface Runner {
  exitOnCompletion: boolean;
  clearReporters(): void;
  addReporter(reporter: { specDone(result: Spec): void; jasmineDone(): void }): void;
  configureEnv(options: object): void;
  execute(): Promise<unknown>;
}

interface Spec {
  readonly fullName: string;
  readonly status: string;
  readonly failedExpectations: readonly { readonly message: string }[];
}

const Jasmine = require('jasmine') as new () => Runner;
const results: SpecResult[] = [];
const runner = new Jasmine(); // and with it describe, it and expect
runner.configureEnv({ random: false });
runner.clearReporters();
runner.addReporter({
  specDone: ({ fullName, status, failedExpectations: [first] }) =>
    void results.push({ name: fullName, status, message: first?.message ?? '' }),
  jasmineDone: () => writeFileSync(process.argv[2]!, JSON.stringify(results)),
});
runner.exitOnCompletion = false;
setTestEnvs([{ name: 'test-tensorflow', backendName: 'tensorflow', flags: {}, isDataSync: true }]);
require('@tensorflow/tfjs-core/dist/tests.js'); // not an import: the specs are declared in the env that was just set
runner.execute().then(() => process.exit(0));
