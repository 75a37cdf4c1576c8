import { ExitCode, LanceError } from '../errors.js';
import type { Theme } from '../tui/top/index.js';

/** What the terminal and its user's settings allow. */
export function themeOf(env: NodeJS.ProcessEnv, output: Pick<NodeJS.WriteStream, 'getColorDepth'>): Theme {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  const mute = env.NO_COLOR !== undefined && env.NO_COLOR !== '';
  // An empty NO_COLOR is none; Node takes it for one.
  const { NO_COLOR: _, ...others } = env;
  return {
    // The Linux console's fonts have no Braille.
    unicode: /utf-?8/i.test(locale) && env.TERM !== 'dumb' && env.TERM !== 'linux',
    colour: !mute && output.getColorDepth(others) >= 4,
  };
}

/** Throws LanceError, exit code 2, unless stdin and stdout are a terminal that can be drawn on. */
export function requireTerminal(
  input: Pick<NodeJS.ReadStream, 'isTTY'>,
  output: Pick<NodeJS.WriteStream, 'isTTY'>,
  env: NodeJS.ProcessEnv,
): void {
  const hint = '`lance top --once` prints one sample, `lance top --once --json` the same for machines.';
  if (!input.isTTY || !output.isTTY) {
    throw new LanceError('lance top draws on a terminal, and this is none.', {
      code: 'NO_TERMINAL',
      hint,
      exitCode: ExitCode.usage,
    });
  }
  if (env.TERM === 'dumb') {
    throw new LanceError('The terminal is "dumb" (TERM): it cannot be drawn on.', {
      code: 'NO_TERMINAL',
      hint,
      exitCode: ExitCode.usage,
    });
  }
}
