import { render, useApp, useInput, useStdout } from 'ink';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { ExitCode, LanceError } from '../errors.js';
import { type BrowseRow, collect, type SeenRecord, SegmentBrowser } from '../segment/index.js';
import { BrowserScreen, type Line, listRows } from '../tui/segment/screen.js';
import { ThemeContext } from '../tui/topology/theme.js';
import { timeText, typeName } from './segment.js';
import { hexDump, parseAddress } from './segment-details.js';

/** What is on the screen: segments, the batches of one from a byte on, or the records of one of these. */
type View =
  | { level: 'segments'; top: number; cursor: number }
  | {
      level: 'batches';
      at: number;
      before: number[];
      next: number | undefined;
      rows: BrowseRow[];
      cursor: number;
    }
  | {
      level: 'records';
      row: BrowseRow & { kind: 'batch' };
      skip: number;
      records: SeenRecord[];
      cursor: number;
    };

/** Pages visited that one can go back through. */
const MOST_PAGES_BACK = 10_000;

/** Runs the browser until q. Throws LanceError with exit code 2 where there is no terminal. */
export async function runBrowser(paths: readonly string[]): Promise<void> {
  const segments = collect(paths)
    .files.filter(({ kind }) => kind === 'segment')
    .map(({ path }) => path);
  if (!process.stdin.isTTY || !process.stdout.isTTY)
    throw new LanceError('--tui needs a terminal.', {
      code: 'NO_TERMINAL',
      hint: 'Without it, `--batches` and `--records` list the same.',
      exitCode: ExitCode.usage,
    });
  process.stdout.write('\u001b[?1049h');
  try {
    const colour = !process.env.NO_COLOR;
    await render(
      <ThemeContext value={{ colour }}>
        <Browser segments={segments} />
      </ThemeContext>,
    ).waitUntilExit();
  } finally {
    process.stdout.write('\u001b[?1049l');
  }
}

function Browser({ segments }: { segments: readonly string[] }): ReactElement {
  const app = useApp();
  const { stdout } = useStdout();
  const [size, setSize] = useState({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 });
  const [stack, setStack] = useState<View[]>([{ level: 'segments', top: 0, cursor: 0 }]);
  const [prompt, setPrompt] = useState<{ key: 'g' | '/'; text: string }>();
  const [status, setStatus] = useState('');
  const [help, setHelp] = useState(false);
  const file = useRef<SegmentBrowser | undefined>(undefined);
  const busy = useRef(false);
  const needle = useRef('');
  useEffect(() => {
    const resize = () => setSize({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 });
    stdout.on('resize', resize);
    return () => {
      stdout.off('resize', resize);
      file.current?.close();
    };
  }, [stdout]);
  const count = listRows(size.rows - 1);
  const view = stack.at(-1) as View;
  const replace = (now: View) => setStack((before) => [...before.slice(0, -1), now]);

  /** One thing at a time: keys pressed while something is read are let go. */
  const run = (work: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    setStatus('reading...');
    work()
      .then(() => setStatus((now) => (now === 'reading...' ? '' : now)))
      .catch((error: unknown) => setStatus(error instanceof Error ? error.message : String(error)))
      .finally(() => {
        busy.current = false;
      });
  };
  const batchesAt = async (at: number, before: number[]): Promise<View> => {
    const page = await file.current?.page(at, count);
    return {
      level: 'batches',
      at,
      before: before.slice(-MOST_PAGES_BACK),
      next: page?.next,
      rows: page?.rows ?? [],
      cursor: 0,
    };
  };
  const recordsAt = (row: BrowseRow & { kind: 'batch' }, number: number): View => {
    const skip = Math.floor(number / count) * count;
    const records = file.current?.records(row.batch, skip, count) ?? [];
    return { level: 'records', row, skip, records, cursor: number - skip };
  };
  const open = () =>
    run(async () => {
      if (view.level === 'segments') {
        const path = segments[view.top + view.cursor];
        if (path === undefined) return;
        file.current?.close();
        file.current = SegmentBrowser.open(path);
        const next = await batchesAt(0, []);
        setStack((before) => [...before, next]);
      } else if (view.level === 'batches') {
        const row = view.rows[view.cursor];
        if (row?.kind !== 'batch') return;
        const next = recordsAt(row, 0);
        setStack((before) => [...before, next]);
      }
    });
  const page = (by: 1 | -1) =>
    run(async () => {
      if (view.level === 'segments') {
        const top = Math.max(0, Math.min(view.top + by * count, segments.length - 1));
        replace({ ...view, top, cursor: 0 });
      } else if (view.level === 'batches') {
        if (by > 0 && view.next !== undefined) replace(await batchesAt(view.next, [...view.before, view.at]));
        const back = view.before.at(-1);
        if (by < 0 && back !== undefined) replace(await batchesAt(back, view.before.slice(0, -1)));
      } else {
        const number = view.skip + by * count;
        if (number >= 0 && number < view.row.batch.recordCount) replace(recordsAt(view.row, number));
      }
    });
  const lines = linesOf(view, segments, count);
  const move = (by: number) => {
    const cursor = view.cursor + by;
    if (Math.abs(by) === 1 && (cursor < 0 || cursor >= lines.length)) page(by < 0 ? -1 : 1);
    else replace({ ...view, cursor: Math.max(0, Math.min(cursor, lines.length - 1)) });
  };
  const go = (found: { batch: (BrowseRow & { kind: 'batch' })['batch']; number: number } | undefined) => {
    if (!found) return setStatus('not found in this segment');
    const row = { kind: 'batch', at: found.batch.position, batch: found.batch } as const;
    const records = recordsAt(row, found.number);
    return run2(
      batchesAt(found.batch.position, [0]).then((batches) =>
        setStack((before) => [...before.slice(0, 1), batches, records]),
      ),
    );
  };
  const run2 = (work: Promise<void>) => void work.catch((error: unknown) => setStatus(String(error)));
  const submit = (key: 'g' | '/', text: string) =>
    run(async () => {
      const browser = file.current;
      if (!browser) return setStatus('open a segment first');
      if (key === 'g') return go(await browser.find(parseAddress(text)));
      needle.current = text;
      const at = view.level === 'records' ? view.records[view.cursor] : undefined;
      return go(await browser.search(text, at ? at.record + 1n : 0n));
    });
  useInput((input, key) => {
    if (prompt) {
      if (key.escape) setPrompt(undefined);
      else if (key.return) {
        setPrompt(undefined);
        submit(prompt.key, prompt.text);
      } else if (key.backspace || key.delete) setPrompt({ ...prompt, text: prompt.text.slice(0, -1) });
      else if (/[\r\n]/.test(input)) {
        // A terminal hands over what was pasted in one piece.
        setPrompt(undefined);
        submit(prompt.key, `${prompt.text}${input.split(/[\r\n]/)[0]}`);
      } else if (input && !key.ctrl) setPrompt({ ...prompt, text: `${prompt.text}${input}`.slice(0, 200) });
      return;
    }
    if (input === 'q') app.exit();
    else if (input === '?') setHelp(!help);
    else if (help) setHelp(false);
    else if (key.upArrow || /^k+$/.test(input)) move(-Math.max(1, input.length));
    else if (key.downArrow || /^j+$/.test(input)) move(Math.max(1, input.length));
    else if (key.pageUp) page(-1);
    else if (key.pageDown || input === ' ') page(1);
    else if (key.return) open();
    else if ((key.escape || key.backspace || key.delete) && stack.length > 1 && !busy.current)
      setStack(stack.slice(0, -1));
    else if (input === 'g' || input === '/') setPrompt({ key: input, text: '' });
    else if (input === 'n' && needle.current) submit('/', needle.current);
  });
  const asked =
    prompt && (prompt.key === 'g' ? 'jump to (offset:N, record:N, time:T, key:HEX): ' : 'search: ');
  return (
    <BrowserScreen
      title={view.level === 'segments' ? `${segments.length} segments` : (file.current?.path ?? '')}
      heading={HEADINGS[view.level]}
      lines={lines}
      cursor={view.cursor}
      detail={detailOf(view)}
      status={prompt ? `${asked}${prompt.text}_` : status}
      help={help}
      columns={size.columns}
      rows={size.rows - 1}
    />
  );
}

const HEADINGS = {
  segments: '  SEGMENT',
  batches: '  BYTE        OFFSET        RECORDS                 TIME',
  records: '  RECORD      OFFSET        TYPE         BYTES  VALUE',
} as const;

function linesOf(view: View, segments: readonly string[], count: number): Line[] {
  if (view.level === 'segments')
    return segments.slice(view.top, view.top + count).map((text) => ({ text, damage: false }));
  if (view.level === 'batches')
    return view.rows.map((row) =>
      row.kind === 'damage'
        ? { text: `bytes ${row.at} to ${row.to}: ${row.why}`, damage: true }
        : { text: batchLine(row), damage: false },
    );
  return view.records.map((record) => ({ text: recordLine(record), damage: false }));
}

function batchLine({ at, batch }: BrowseRow & { kind: 'batch' }): string {
  const last = batch.baseRecord + BigInt(batch.recordCount - 1);
  const records = `${batch.baseRecord}-${last}`;
  return `${String(at).padEnd(12)}${String(batch.baseOffset).padEnd(14)}${records.padEnd(24)}${timeText(batch.timestampNs)}`;
}

function recordLine({ record, offset, type, value, key }: SeenRecord): string {
  const text = printable(value.subarray(0, 200).toString('latin1'));
  const shown = key ? `[${printable(key.toString('latin1'))}] ${text}` : text;
  return `${String(record).padEnd(12)}${String(offset).padEnd(14)}${typeName(type).padEnd(12)} ${String(value.length).padStart(5)}  ${shown}`;
}

/** Control characters as dots: what is in a record must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '.');
}

const DETAIL_BYTES = 64;

function detailOf(view: View): string[] {
  if (view.level === 'batches') {
    const row = view.rows[view.cursor];
    if (row?.kind === 'damage') return hexDump(row.bytes, row.at, DETAIL_BYTES).split('\n');
    if (!row) return ['there is no batch'];
    const { batch } = row;
    const sequence = batch.nodeActorSequence;
    return [
      `topic ${batch.topic} epoch ${batch.epoch}  node ${sequence >> 48n}  actor ${(sequence >> 40n) & 0xffn}  sequence ${sequence & 0xff_ffff_ffffn}`,
      `header ${batch.checksum.toString(16)}  previous ${batch.previous.toString(16)}  payload ${batch.payloadChecksum.toString(16)} (${batch.payloadKind})  ${batch.payloadLength} bytes`,
      `durable to ${batch.durableOffset}  producer ${batch.producerId} ${timeText(batch.producerNs)}  term ${batch.term}`,
    ];
  }
  const record = view.level === 'records' ? view.records[view.cursor] : undefined;
  return record
    ? [
        `key ${record.sortKey}  ${timeText(record.timestampNs)}`,
        ...hexDump(record.value, record.position, DETAIL_BYTES).split('\n'),
      ]
    : [];
}
