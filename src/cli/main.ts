#!/usr/bin/env node
import './no-debugger.js';
import { Command } from 'commander';
import { packageVersion } from '../common/package.js';
import { registerBench } from './bench.js';
import { registerBuild } from './build.js';
import { registerDoctor } from './doctor.js';
import { registerEval } from './eval.js';
import { explain } from './explain.js';
import { registerExport } from './export.js';
import { registerGenerate } from './generate.js';
import { filled } from './help.js';
import { registerPrepare } from './prepare.js';
import { registerTfLink } from './tf-link.js';
import { registerTrain } from './train.js';
import { registerVerify } from './verify.js';

const program = new Command('polycom')
  .description('fused PolyCom activations for TensorFlow.js')
  .version(packageVersion)
  .configureOutput({ writeOut: (text) => void process.stdout.write(filled(text)) })
  .showHelpAfterError();
registerDoctor(program);
registerVerify(program);
registerBuild(program);
registerTfLink(program);
registerPrepare(program);
registerTrain(program);
registerEval(program);
registerGenerate(program);
registerExport(program);
registerBench(program);

let running: Command | undefined;
program.hook('preAction', (_, command) => {
  running = command;
});
try {
  await program.parseAsync();
} catch (error) {
  const text = explain(error, running);
  if (text === undefined) throw error;
  process.stderr.write(`polycom: ${text}\n`);
  process.exitCode = 1;
}
