/**
 * The signals at which what is in hand is saved: a Ctrl-C, an end, a terminal that hangs up, and those that job
 * schedulers send some time before the end.
 */
export const STOP_SIGNALS: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGXCPU',
];

/** Others that a scheduler may be set to send, and that mean nothing else to a process in training. */
export const OTHER_STOP_SIGNALS: readonly NodeJS.Signals[] = [
  'SIGALRM',
  'SIGCONT',
  'SIGPWR',
  'SIGQUIT',
  'SIGTSTP',
  'SIGURG',
];
