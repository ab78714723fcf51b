/** Makes the part of a comparison that its argument names, and sends it to the process that forked this one. */
import './ignore-signals.js';
import type { PartName } from '../types.js';
import type { PartJob, PartMessage } from './parts.js';

const MAKERS: Readonly<Record<PartName, (quick: boolean) => Promise<unknown>>> = {
  theory: async (quick) => {
    const { runTheory } = await import('../theory/index.js');
    return runTheory(quick ? 'quick' : 'full', say);
  },
  cost: async (quick) => {
    const { runCost } = await import('../cost/index.js');
    return await runCost({ quick, onStep: (group, step) => say(`${group}: ${step}`) });
  },
};

const send = (message: PartMessage): Promise<void> =>
  new Promise((resolve, reject) => {
    process.send!(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });

function say(step: string): void {
  void send({ step });
}

process.on('disconnect', () => process.exit(1));
const { part, quick } = JSON.parse(process.argv[2]!) as PartJob;
await send({ found: await MAKERS[part](quick) });
process.exit(0);
