/** Where progress is shown. */
export interface Progress {
  /** What is being measured, and what it is at. */
  step(group: string, step: string): void;
  /** Leaves the line clean. */
  end(): void;
}

/** What this file uses of stderr. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A line that rewrites itself on a terminal; elsewhere a line for each group; nothing if `quiet`. */
export function progressOn(
  stream: ProgressStream,
  options: { quiet?: boolean | undefined; color?: boolean } = {},
): Progress {
  const { quiet = process.env.POLYCOM_QUIET === '1', color = !process.env.NO_COLOR } = options;
  if (quiet) return { step: () => undefined, end: () => undefined };
  if (!stream.isTTY) return plain(stream);
  const [dim, undim] = color ? ['\x1b[2m', '\x1b[22m'] : ['', ''];
  return {
    step: (group, step) => {
      // Some terminals, such as a pty that nobody has sized, say that they have no columns.
      const text = `${group}: ${step}`.slice(0, (stream.columns || 80) - 1);
      stream.write(`\r\x1b[K${dim}${text}${undim}`);
    },
    end: () => void stream.write('\r\x1b[K'),
  };
}

function plain(stream: ProgressStream): Progress {
  let last = '';
  return {
    step: (group) => {
      if (group !== last) stream.write(`polycom: measuring ${group}\n`);
      last = group;
    },
    end: () => undefined,
  };
}
