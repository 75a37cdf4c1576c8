import { Box, render, Text } from 'ink';
import type { ReactElement } from 'react';
import type { Observer } from '../../bench/observer.js';
import type { Moment } from '../../bench/result.js';
import { bandwidth, rate, time } from '../../bench/units.js';
import { ThemeContext, useStyle } from '../topology/theme.js';
import { sparkline } from './sparkline.js';

/** What is known while a bench runs. */
export interface LiveState {
  /** The part that runs, and how long it takes and has taken, seconds. */
  part: string;
  seconds: number;
  elapsed: number;
  moments: readonly Moment[];
  notes: readonly string[];
}

const MOMENT_SECONDS = 0.25;
const BAR = 20;

/** Progress of a bench: what runs, how much of it is done, and what it came to in the last moments. */
export function LiveScreen({ state, columns }: { state: LiveState; columns: number }): ReactElement {
  const style = useStyle();
  const { part, seconds, elapsed, moments, notes } = state;
  const last = moments.at(-1);
  const done = Math.min(1, seconds > 0 ? elapsed / seconds : 0);
  const filled = Math.round(done * BAR);
  const left = Math.max(0, Math.ceil(seconds - elapsed));
  return (
    <Box flexDirection="column" width={columns}>
      <Text wrap="truncate">
        <Text {...style({ bold: true })}>{part}</Text>
        {` ${'━'.repeat(filled)}${'─'.repeat(BAR - filled)} ${left} s left`}
        {last?.phase === 'warmup' ? ' (warm-up)' : ''}
      </Text>
      {last && (
        <>
          <Text wrap="truncate">
            {`${bandwidth(last.bytes / MOMENT_SECONDS)} ${rate(last.records / MOMENT_SECONDS)}  `}
            {`p50 ${time(last.p50)}  p99 ${time(last.p99)}  p99.9 ${time(last.p999)}`}
          </Text>
          <Text wrap="truncate" {...style({ color: 'cyan' })}>
            {sparkline(
              moments.map(({ bytes }) => bytes),
              columns - 2,
            )}
          </Text>
        </>
      )}
      {notes.map((note) => (
        <Text key={note} wrap="wrap" {...style({ color: 'yellow' })}>
          {note}
        </Text>
      ))}
    </Box>
  );
}

/** Shows a bench on the terminal while it runs; nothing in a pipe (cli.md). */
export function watchBench(): { observer: Observer; end(): void } {
  const { stderr } = process;
  if (!stderr.isTTY) {
    return {
      observer: { part: () => undefined, moment: () => undefined, note: () => undefined },
      end: () => undefined,
    };
  }
  let state: LiveState = { part: 'starting', seconds: 1, elapsed: 0, moments: [], notes: [] };
  let began = performance.now();
  const screen = (): ReactElement => (
    <ThemeContext value={{ colour: !process.env.NO_COLOR }}>
      <LiveScreen state={state} columns={Math.max(40, Math.min(100, stderr.columns ?? 80))} />
    </ThemeContext>
  );
  // Ctrl-C is the command's own business: it shows what was measured so far.
  const app = render(screen(), { stdout: stderr, exitOnCtrlC: false, patchConsole: false });
  const update = (change: Partial<LiveState>): void => {
    state = { ...state, ...change, elapsed: (performance.now() - began) / 1000 };
    app.rerender(screen());
  };
  const ticking = setInterval(() => update({}), 250);
  return {
    observer: {
      part(part, seconds) {
        began = performance.now();
        update({ part, seconds, moments: [] });
      },
      moment: (moment) => update({ moments: [...state.moments.slice(-199), moment] }),
      note: (note) => update({ notes: [...state.notes, note] }),
    },
    end() {
      clearInterval(ticking);
      // A frame that still waits to be drawn would be drawn by the end, and stay.
      app.rerender(<Box />);
      app.clear();
      app.unmount();
    },
  };
}
