import { destination, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { LogEntry } from '../engine/index.js';
import { sentenceOf } from '../engine/sentences.js';
import { words } from './errors.js';
import type { LogFile } from './log-file.js';
import { describePlacement, type PlacementReport } from './placement.js';

/** Where and how a node logs. */
export interface LogOptions {
  level: string;
  format: 'pretty' | 'json';
  /** Whether colours are wanted. */
  colour: boolean;
  /** Gets every line, too, as JSON. */
  file?: LogFile;
}

/** A logger on stderr. It writes synchronously: what was logged before a crash is there. */
export function createLog({ level, format, colour, file }: LogOptions): Logger {
  const stderr = destination({ dest: 2, sync: true });
  // A terminal that is gone or a log's disk that is full must not end the node.
  stderr.on('error', () => undefined);
  const stream =
    format === 'json'
      ? stderr
      : pretty({
          destination: stderr,
          colorize: colour,
          ignore: 'pid,hostname,placement',
          singleLine: true,
          messageFormat: (line, messageKey) =>
            line.event === 'placement'
              ? describePlacement(line.placement as PlacementReport)
              : printable(line[messageKey]),
        });
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    file ? pino.multistream([stream, file].map((one) => ({ level: 'trace', stream: one }))) : stream,
  );
}

/** Without control characters but tabs and ends of lines: a name that a client chose must not steer the terminal. */
function printable(message: unknown): string {
  return String(message ?? '').replace(/[^\P{Cc}\t\n]/gu, '');
}

/** Lets one sentence of a kind through a second and counts the others. */
export class RateLimit {
  readonly #kinds = new Map<string, { until: number; held: number }>();

  constructor(
    private readonly intervalMs = 1000,
    private readonly clock: () => number = Date.now,
  ) {}

  /** How many of this kind were held back since the last one; undefined when this one is to be held back, too. */
  pass(kind: string): number | undefined {
    const now = this.clock();
    const known = this.#kinds.get(kind);
    if (known && now < known.until) {
      known.held += 1;
      return undefined;
    }
    this.#kinds.set(kind, { until: now + this.intervalMs, held: 0 });
    return known?.held ?? 0;
  }
}

/** Logs failures of `what`, at most one a second with the count of the others. */
export function failureLog(
  log: Pick<Logger, 'warn'>,
  limit = new RateLimit(),
): (what: string) => (error: unknown) => void {
  return (what) => (error) => {
    const held = limit.pass(what);
    if (held === undefined) return;
    log.warn(`${what} failed: ${words(error)}${held > 0 ? ` (and ${held} more like it)` : ''}`);
  };
}

/**
 * Writes what the engine tells to the log, at most a line a second of each kind and topic. Bad peers are limited by the
 * engine: a line held back here, because it was heard a little late, would take the count in it along.
 */
export function engineLog(log: Logger, topicName: (id: number) => string): (entry: LogEntry) => void {
  const limit = new RateLimit();
  return (entry) => {
    const { level, text } = sentenceOf(entry, topicName);
    const kind = `${entry.event}/${'topic' in entry ? entry.topic : ''}/${'what' in entry ? entry.what : ''}${'limit' in entry ? entry.limit : ''}`;
    const held = entry.event === 'badPeer' ? 0 : limit.pass(kind);
    if (held === undefined) return;
    log[level](
      { event: entry.event, ...('topic' in entry && { topic: topicName(entry.topic) }) },
      held > 0 ? `${text} (and ${held} more like it)` : text,
    );
  };
}
