/**
 * Imported before all else: a SIGUSR1 ends this process, as it ends any other that has nothing to save. Node would open
 * a port for its debugger. A listener that comes and goes leaves the signal as the system has it.
 */
const listener = (): void => undefined;
process.on('SIGUSR1', listener);
process.off('SIGUSR1', listener);
