import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Key, render, useApp, useInput, useStdout } from 'ink';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { ExitCode, LanceError } from '../errors.js';
import { type BatchSeen, type BrowseRow, collect, SegmentBrowser, segmentsFrom } from '../segment/index.js';
import { BrowserScreen, detailRows, listRows } from '../tui/segment/screen.js';
import { ThemeContext } from '../tui/topology/theme.js';
import {
  DUMP_LINE,
  detailOf,
  HEADINGS,
  linesOf,
  type SegmentLine,
  segmentHeading,
  type View,
} from './segment-browser-lines.js';
import { listedSegments, parseAddress } from './segment-details.js';

/** Pages visited that one can go back through. */
const MOST_PAGES_BACK = 10_000;
const LONGEST_PROMPT = 200;
const ALTERNATE_SCREEN = '\u001b[?1049h';
const MAIN_SCREEN = '\u001b[?1049l';

/** Runs the browser until q (exit code 0) or Ctrl-C (130). Throws LanceError with exit code 2 where there is no terminal. */
export async function runBrowser(paths: readonly string[]): Promise<number> {
  const segments = listedSegments(collect(paths).files).map((path) => ({ path, fileBytes: sizeOf(path) }));
  if (!process.stdin.isTTY || !process.stdout.isTTY || process.env.TERM === 'dumb')
    throw new LanceError('--tui needs a terminal that can be drawn on.', {
      code: 'NO_TERMINAL',
      hint: 'Without it, `--batches` and `--records` list the same.',
      exitCode: ExitCode.usage,
    });
  let code: number = ExitCode.done;
  const leave = () => process.stdout.write(MAIN_SCREEN);
  const ended = () => process.exit(ExitCode.failed);
  process.stdout.write(ALTERNATE_SCREEN);
  process.once('exit', leave);
  process.once('SIGTERM', ended);
  process.once('SIGHUP', ended);
  try {
    const colour = !process.env.NO_COLOR;
    await render(
      <ThemeContext value={{ colour }}>
        <Browser
          segments={segments}
          onInterrupt={() => {
            code = ExitCode.interrupted;
          }}
        />
      </ThemeContext>,
      { exitOnCtrlC: false },
    ).waitUntilExit();
  } finally {
    process.off('exit', leave);
    process.off('SIGTERM', ended);
    process.off('SIGHUP', ended);
    leave();
  }
  return code;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** As `useState`; the third is the newest value, also before it is drawn. */
function useNow<T>(first: T): [T, (next: T | ((before: T) => T)) => void, { readonly current: T }] {
  const [value, setValue] = useState(first);
  const latest = useRef(first);
  const set = (next: T | ((before: T) => T)) => {
    latest.current = next instanceof Function ? next(latest.current) : next;
    setValue(latest.current);
  };
  return [value, set, latest];
}

type Found = { batch: BatchSeen; number: number };

interface BrowserProps {
  segments: readonly SegmentLine[];
  onInterrupt: () => void;
}

function Browser({ segments, onInterrupt }: BrowserProps): ReactElement {
  const app = useApp();
  const { stdout } = useStdout();
  const [size, setSize] = useState({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 });
  const [stack, setStack, latest] = useNow<View[]>([{ level: 'segments', top: 0, cursor: 0 }]);
  const [prompt, setPrompt, typed] = useNow<{ key: 'g' | '/'; text: string } | undefined>(undefined);
  const [status, setStatus] = useState('');
  const [help, setHelp] = useState(false);
  const [asText, setAsText] = useState(false);
  const file = useRef<SegmentBrowser | undefined>(undefined);
  const work = useRef<AbortController | undefined>(undefined);
  const needle = useRef('');
  useEffect(() => {
    const resize = () => setSize({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 });
    stdout.on('resize', resize);
    return () => {
      stdout.off('resize', resize);
      work.current?.abort();
      file.current?.close();
    };
  }, [stdout]);
  const rows = size.rows - 1;
  const count = listRows(rows);
  const shown = stack.at(-1) as View;
  /** What is on the screen, or is about to be: keys may come faster than it is drawn. */
  const now = () => latest.current.at(-1) as View;
  const replace = (view: View) => setStack((before) => [...before.slice(0, -1), view]);
  const push = (view: View) => setStack((before) => [...before, view]);

  /** One thing at a time: keys pressed while something is read are let go, but for Esc, which ends it. */
  const run = (what: (signal: AbortSignal) => Promise<string | undefined>) => {
    if (work.current) return;
    const controller = new AbortController();
    work.current = controller;
    setStatus('reading...');
    what(controller.signal)
      .then((said) => setStatus(said ?? ''))
      .catch((error: unknown) =>
        setStatus(
          controller.signal.aborted ? 'stopped' : error instanceof Error ? error.message : String(error),
        ),
      )
      .finally(() => {
        work.current = undefined;
      });
  };
  const opened = (path: string): SegmentBrowser => {
    if (file.current?.path === path) return file.current;
    const browser = SegmentBrowser.open(path);
    file.current?.close();
    file.current = browser;
    return browser;
  };
  const batchesAt = async (browser: SegmentBrowser, at: number, before: number[]): Promise<View> => {
    const page = await browser.page(at, count);
    return { level: 'batches', at, before: before.slice(-MOST_PAGES_BACK), ...page, cursor: 0 };
  };
  const recordsAt = (browser: SegmentBrowser, row: BrowseRow & { kind: 'batch' }, number: number): View => {
    const skip = Math.floor(number / count) * count;
    return {
      level: 'records',
      row,
      skip,
      records: browser.records(row.batch, skip, count),
      cursor: number - skip,
    };
  };
  const bytesAt = (browser: SegmentBrowser, byte: number): View => {
    const at = browser.around(byte).at;
    return {
      level: 'bytes',
      at,
      bytes: browser.bytes(at, count * DUMP_LINE),
      cursor: Math.floor((byte - at) / DUMP_LINE),
    };
  };
  /** Opens what was found, below the list of segments. */
  const show = async (browser: SegmentBrowser, { batch, number }: Found) => {
    const row = { kind: 'batch', at: batch.position, batch } as const;
    const batches = await batchesAt(browser, batch.position, [0]);
    setStack((before) => [...before.slice(0, 1), batches, recordsAt(browser, row, number)]);
  };
  // Another size of the terminal shows more or less of the same place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a resize reads again.
  useEffect(() => {
    const browser = file.current;
    const view = now();
    if (!browser) return;
    if (view.level === 'batches')
      batchesAt(browser, view.at, view.before).then(
        (again) => setStack((before) => (before.at(-1) === view ? [...before.slice(0, -1), again] : before)),
        () => setStatus('it could not be read again'),
      );
    else if (view.level === 'records') replace(recordsAt(browser, view.row, view.skip + view.cursor));
    else if (view.level === 'bytes') replace({ ...view, bytes: browser.bytes(view.at, count * DUMP_LINE) });
  }, [count]);
  const open = () =>
    run(async () => {
      const browser = file.current;
      const view = now();
      if (view.level === 'segments') {
        const segment = segments[view.top + view.cursor];
        if (segment) push(await batchesAt(opened(segment.path), 0, []));
      } else if (browser && view.level === 'batches') {
        const row = view.rows[view.cursor];
        if (row) push(row.kind === 'batch' ? recordsAt(browser, row, 0) : bytesAt(browser, row.at));
      } else if (browser && view.level === 'records') {
        const record = view.records[view.cursor];
        if (record) push(bytesAt(browser, record.position));
      }
      return undefined;
    });
  const page = (by: 1 | -1) =>
    run(async () => {
      const browser = file.current;
      const view = now();
      if (view.level === 'segments') {
        const top = view.top + by * count;
        if (by < 0 || top < segments.length) replace({ ...view, top: Math.max(0, top), cursor: 0 });
      } else if (!browser) return undefined;
      else if (view.level === 'batches') {
        if (by > 0 && view.next !== undefined)
          replace(await batchesAt(browser, view.next, [...view.before, view.at]));
        const back = view.before.at(-1);
        if (by < 0 && back !== undefined) replace(await batchesAt(browser, back, view.before.slice(0, -1)));
      } else if (view.level === 'records') {
        const number = view.skip + by * count;
        if (number >= 0 && number < view.row.batch.recordCount) replace(recordsAt(browser, view.row, number));
      } else {
        const at = Math.max(0, view.at + by * count * DUMP_LINE);
        const bytes = browser.bytes(at, count * DUMP_LINE);
        if (bytes.length > 0) replace({ ...view, at, bytes, cursor: 0 });
      }
      return undefined;
    });
  const lines = linesOf(shown, segments, count);
  const move = (by: number) => {
    const view = now();
    const lines = linesOf(view, segments, count);
    const cursor = view.cursor + by;
    if (Math.abs(by) === 1 && (cursor < 0 || cursor >= lines.length)) page(by < 0 ? -1 : 1);
    else replace({ ...view, cursor: Math.max(0, Math.min(cursor, lines.length - 1)) });
  };

  /** The segment that is open and those behind it in its directory; from the list, from the one under the cursor on. */
  const ahead = (): string[] => {
    const view = now();
    const here = view.level === 'segments' ? segments[view.top + view.cursor]?.path : file.current?.path;
    const all = segments.map(({ path }) => path);
    return here === undefined
      ? []
      : all.slice(all.indexOf(here)).filter((path) => dirname(path) === dirname(here));
  };
  const jump = (text: string) =>
    run(async () => {
      const address = parseAddress(text);
      const byte = Number(address.value);
      const [here] = ahead();
      if (here === undefined) return 'there is no segment';
      if (address.kind === 'byte') {
        const browser = opened(here);
        if (now().level === 'bytes') replace(bytesAt(browser, Math.min(byte, browser.size())));
        else {
          const row = await browser.rowAt(byte);
          if (!row) return `byte ${byte} lies behind the last batch`;
          const batches = await batchesAt(browser, row.at, [0]);
          setStack((before) => [...before.slice(0, 1), batches]);
        }
        return undefined;
      }
      const folder = segments.map(({ path }) => path).filter((path) => dirname(path) === dirname(here));
      for (const path of segmentsFrom(folder, address)) {
        const browser = SegmentBrowser.open(path);
        const found = await browser.find(address).finally(() => browser.close());
        if (found) return show(opened(path), found).then(() => undefined);
      }
      return 'there is nothing at or behind it in this topic';
    });
  const search = (text: string) =>
    run(async (signal) => {
      needle.current = text;
      if (text === '') return undefined;
      const view = now();
      const at = view.level === 'records' ? view.records[view.cursor] : undefined;
      const row = view.level === 'batches' ? view.rows[view.cursor] : undefined;
      let after = at ? at.record + 1n : row?.kind === 'batch' ? row.batch.baseRecord : 0n;
      for (const path of ahead()) {
        const browser = SegmentBrowser.open(path);
        const progress = (bytes: number) => setStatus(`searching... byte ${bytes} of ${path} (Esc stops)`);
        const found = await browser.search(text, after, signal, progress).finally(() => browser.close());
        if (found) return show(opened(path), found).then(() => undefined);
        after = 0n;
      }
      return 'not found from here to the end of the topic';
    });
  const damage = () =>
    run(async (signal) => {
      const [here] = ahead();
      if (here === undefined) return 'there is no segment';
      const browser = opened(here);
      const view = now();
      const row = view.level === 'batches' ? view.rows[view.cursor] : undefined;
      const from = row
        ? row.kind === 'damage'
          ? row.to
          : row.at
        : view.level === 'records'
          ? view.row.at
          : 0;
      const found = await browser.nextDamage(from, signal);
      if (!found) return 'every batch from here to the end of the segment is whole';
      const batches = await batchesAt(browser, found.before ?? found.at, [0]);
      if (found.before !== undefined && batches.level === 'batches') batches.cursor = 1;
      setStack((before) => [...before.slice(0, 1), batches]);
      return undefined;
    });
  const submit = (key: 'g' | '/', text: string) => (key === 'g' ? jump(text) : search(text));

  const press = (input: string, key: Pick<Key, 'return'> & Partial<Key>) => {
    if (key.ctrl && input === 'c') {
      onInterrupt();
      return app.exit();
    }
    const asking = typed.current;
    if (asking) {
      if (key.escape) setPrompt(undefined);
      else if (key.return) {
        setPrompt(undefined);
        submit(asking.key, asking.text);
      } else if (key.backspace || key.delete) setPrompt({ ...asking, text: asking.text.slice(0, -1) });
      else if (/[\r\n]/.test(input)) {
        // A terminal hands over what was pasted in one piece.
        setPrompt(undefined);
        submit(asking.key, `${asking.text}${input.split(/[\r\n]/)[0]}`);
      } else if (input && !key.ctrl)
        setPrompt({ ...asking, text: `${asking.text}${input}`.slice(0, LONGEST_PROMPT) });
      return;
    }
    if (input === 'q') app.exit();
    else if (input === '?') setHelp(!help);
    else if (help) setHelp(false);
    else if (key.escape || key.backspace || key.delete) {
      if (work.current) work.current.abort();
      else setStack((before) => (before.length > 1 ? before.slice(0, -1) : before));
    } else if (key.upArrow || /^k+$/.test(input)) move(-Math.max(1, input.length));
    else if (key.downArrow || /^j+$/.test(input)) move(Math.max(1, input.length));
    else if (key.pageUp) page(-1);
    else if (key.pageDown || input === ' ') page(1);
    else if (key.home) replace({ ...now(), cursor: 0 });
    else if (key.end) move(count);
    else if (key.return) open();
    else if (input === 'd') damage();
    else if (input === 'x') setAsText(!asText);
    else if (input === 'g' || input === '/') setPrompt({ key: input, text: '' });
    else if (input === 'n' && needle.current) search(needle.current);
  };
  useInput((input, key) => {
    // A terminal hands over in one piece what was typed while this was busy: key by key, but for what is pasted.
    if (typed.current || input.length < 2 || /^(k+|j+)$/.test(input)) press(input, key);
    else for (const one of input) press(one, { return: one === '\r' });
  });
  const asked =
    prompt && (prompt.key === 'g' ? 'jump to (offset:N, record:N, time:T, key:HEX, byte:N): ' : 'search: ');
  return (
    <BrowserScreen
      title={
        shown.level === 'segments'
          ? `${segments.length} ${segments.length === 1 ? 'segment' : 'segments'}`
          : (file.current?.path ?? '')
      }
      heading={shown.level === 'segments' ? segmentHeading(segments) : HEADINGS[shown.level]}
      lines={lines}
      cursor={shown.cursor}
      detail={detailOf(shown, segments, file.current, { asText, count: detailRows(rows) })}
      status={prompt ? `${asked}${prompt.text}_` : status}
      help={help}
      columns={size.columns}
      rows={rows}
    />
  );
}
