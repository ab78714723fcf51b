/**
 * Imported before all else by a worker: a terminal and a scheduler send their signals to every process, and the one that
 * forked this says what is to be done about them.
 */
import { STOP_SIGNALS } from 'polycom/train';

for (const name of STOP_SIGNALS) process.on(name, () => undefined);
