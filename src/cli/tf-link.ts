import type { Command } from 'commander';
import { type LinkResult, linkTensorflow } from '../tensorflow/link/index.js';

interface TfLinkOptions {
  readonly tensorflow?: string;
  readonly gpu?: boolean;
  readonly verify?: boolean;
  readonly check: boolean;
  readonly json?: boolean;
}

/** Adds `tf-link`: give tfjs-node a modern TensorFlow. */
export function registerTfLink(program: Command): void {
  program
    .command('tf-link')
    .description('give tfjs-node (and tfjs-node-gpu) a modern TensorFlow')
    .option(
      '--tensorflow <path>',
      'a TensorFlow wheel, a site-packages folder, or a folder with its libraries',
    )
    .option(
      '--gpu',
      "one with CUDA: fetched with NVIDIA's libraries where there is none (3 GB; 6 GB unpacked)",
    )
    .option('--verify', 'compare the cached files with their checksums, and run each package')
    .option('--no-check', 'do not run the packages that were linked')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
Without --tensorflow it takes, in this order: POLYCOM_TENSORFLOW, the cache, the TensorFlow (2.12 or newer)
installed in python3, or a fetched tensorflow-cpu wheel (274 MB). Where a GPU is in sight, or tfjs-node-gpu is installed,
one with CUDA goes before one without. Needs python3 with pip, and g++ (or CXX).
The packages are those that the working directory can require. Run it again after npm ci: it takes a second.`;

async function run(options: TfLinkOptions): Promise<void> {
  const { tensorflow, gpu, verify, check, json } = options;
  const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
  const result = await linkTensorflow({ tensorflow, gpu, verify, check, onProgress });
  process.stdout.write(json ? `${JSON.stringify(result, undefined, 2)}\n` : summary(result));
}

function summary({ packages, tensorflow, seconds }: LinkResult): string {
  const changed = packages.filter(({ action }) => action === 'linked').map(({ name }) => name);
  if (changed.length === 0) return `already linked to TensorFlow ${tensorflow.version}\n`;
  return `linked ${changed.join(' and ')} to TensorFlow ${tensorflow.version} in ${seconds.toFixed(1)} s\n`;
}
