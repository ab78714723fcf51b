import { type Command, Option } from 'commander';
import type { ExportedModel, ExportOptions } from '../generate/index.js';

interface ExportCommandOptions extends ExportOptions {
  readonly model: string;
  readonly out: string;
  readonly json?: boolean;
}

/** Adds `export`: a model for PyTorch's transformers. */
export function registerExport(program: Command): void {
  program
    .command('export')
    .description("write a model and its tokenizer for PyTorch's transformers")
    .requiredOption('--model <folder>', 'a training run, one of its step-* folders, or a Hugging Face LLaMA')
    .requiredOption('--out <folder>', 'the folder to make')
    .addOption(
      new Option('--dtype <name>', 'how the weights are stored')
        .choices(['f32', 'bf16', 'f16'])
        .default('f32'),
    )
    .option(
      '--tokenizer <name|path>',
      "'bytes', or a tokenizer.json (default: the one in the model's folder)",
    )
    .option('--overwrite', 'write into a folder that is not empty')
    .option('--json', 'print what was exported as JSON')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
A gated model of SiLU, GELU or ReLU becomes a plain LlamaForCausalLM; any other brings its modelling file,
for which transformers (4.57 or newer) wants trust_remote_code=True.

  npx polycom export --model runs/book --out book-hf
  npx polycom export --model runs/book/step-00001000 --out book-hf --dtype bf16`;

async function run({ model, out, json, ...options }: ExportCommandOptions): Promise<void> {
  const { exportModel } = await import('../generate/export.js');
  const exported = await exportModel(model, out, options);
  const { from, step, isLlama, parameters } = exported;
  const document = { schema: 1, model: from, step, out, dtype: options.dtype, llama: isLlama, parameters };
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : summary(out, exported));
}

function summary(out: string, { from, parameters, isLlama }: ExportedModel): string {
  const trust = isLlama ? '' : ', trust_remote_code=True';
  const folder = JSON.stringify(out);
  return [
    `${from}: ${parameters.toLocaleString('en-US')} parameters, exported to ${out}`,
    `model = AutoModelForCausalLM.from_pretrained(${folder}${trust})`,
    `tokenizer = AutoTokenizer.from_pretrained(${folder}${trust})\n`,
  ].join('\n');
}
