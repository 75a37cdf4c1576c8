import { ExitCode, LanceError } from '../errors.js';
import { type Reading, readRecording } from '../sampling/index.js';
import { sampleText, TopScreen } from '../tui/top/index.js';
import { Dashboard } from './top.js';
import { sampleOnce } from './top-once.js';
import { topSources } from './top-sources.js';
import { requireTerminal, themeOf } from './top-terminal.js';

/** The flags of `lance top`. */
export interface TopFlags {
  readonly admin?: string | undefined;
  readonly 'data-dir'?: string | undefined;
  readonly once: boolean;
  readonly fps: '1' | '5';
  readonly record?: string | undefined;
  readonly replay?: string | undefined;
  readonly json: boolean;
}

/** Where samples go. */
export interface TopOutput {
  readonly json: (document: unknown) => void;
  readonly print: (text: string) => void;
}

/** Does what the flags ask for; resolves with the exit code. */
export async function runTop(flags: TopFlags, out: TopOutput): Promise<number> {
  const { stdin, stdout, env } = process;
  if (flags.once) return once(flags, out);
  if (flags.json) {
    throw new LanceError('--json prints one sample: it goes with --once.', {
      code: 'USAGE',
      hint: 'lance top --once --json; for many samples lance top --record FILE.',
      exitCode: ExitCode.usage,
    });
  }
  const recording = flags.replay === undefined ? undefined : readRecording(flags.replay);
  const sources = recording === undefined ? await topSources(targets(flags)) : [];
  requireTerminal(stdin, stdout, env);
  const theme = themeOf(env, stdout);
  const screen = new TopScreen({ input: stdin, output: stdout }, theme);
  try {
    const options = { screen, theme, fast: flags.fps === '5', record: flags.record };
    const dashboard =
      recording === undefined ? Dashboard.live(sources, options) : Dashboard.replay(recording, options);
    return await dashboard.run();
  } finally {
    screen.close();
  }
}

async function once(flags: TopFlags, out: TopOutput): Promise<number> {
  const readings = await sampleOnce(await topSources(targets(flags)));
  if (flags.json) for (const reading of readings) out.json(reading);
  else {
    const { unicode } = themeOf(process.env, { getColorDepth: () => 1 });
    out.print(
      readings
        .map((reading) => sampleText(reading, Math.max(80, process.stdout.columns ?? 100), unicode))
        .join('\n\n'),
    );
  }
  return readings.some(unseen) ? ExitCode.failed : ExitCode.done;
}

/** A node of which there is nothing to show at all. */
const unseen = (reading: Reading): boolean => reading.node.presence === 'unreachable';

/** An address in the environment is a default: --data-dir on the command line is more. */
function targets({ admin, 'data-dir': dataDir }: TopFlags): Pick<TopFlags, 'admin' | 'data-dir'> {
  return { admin: dataDir === undefined ? admin : undefined, 'data-dir': dataDir };
}
