import { destination, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { LogEntry } from '../engine/index.js';
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
  const stream =
    format === 'json'
      ? destination({ dest: 2, sync: true })
      : pretty({
          destination: 2,
          sync: true,
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

/** One line of the log about what the engine tells. */
export interface Sentence {
  level: 'info' | 'warn' | 'error' | 'debug';
  text: string;
}

/** The words for what the engine tells; `topicName` gives a topic's name by id. */
export function sentenceOf(entry: LogEntry, topicName: (id: number) => string): Sentence {
  switch (entry.event) {
    case 'badPeer': {
      const more = entry.unreported > 0n ? `; ${entry.unreported} more since the last such line` : '';
      return {
        level: 'warn',
        text: `closed the connection from ${entry.peer}: ${PEERS[entry.what] ?? entry.what}${more}`,
      };
    }
    case 'connectionLimit':
      return { level: 'warn', text: `refused ${entry.peer}: limits.connections (${entry.limit}) is reached` };
    case 'segmentOpened':
      return {
        level: 'debug',
        text: `topic ${topicName(entry.topic)}: new segment from offset ${entry.baseOffset}`,
      };
    case 'segmentSealed':
      return {
        level: 'debug',
        text: `topic ${topicName(entry.topic)}: sealed the segment from offset ${entry.baseOffset}, ${entry.end} bytes`,
      };
    case 'segmentsRemoved':
      return {
        level: 'info',
        text: `topic ${topicName(entry.topic)}: removed ${entry.segments} ${entry.segments === 1 ? 'segment' : 'segments'} (${entry.bytes} bytes) below offset ${entry.belowOffset}`,
      };
    case 'topicFrozen':
      return {
        level: 'error',
        text: `topic ${topicName(entry.topic)} is frozen at offset ${entry.offset}: ${entry.what} failed with errno ${entry.errno}. It serves reads; check the disk, then restart the node to recover it`,
      };
    case 'journalFailed':
      return {
        level: 'error',
        text: `the journal failed: ${entry.what}, errno ${entry.errno}. Check the disk, then restart the node`,
      };
    case 'damageFound':
      return {
        level: 'error',
        text: `topic ${topicName(entry.topic)}: stored bytes are damaged at offset ${entry.offset}; see \`lance segment verify\``,
      };
    case 'limitHit':
      return {
        level: 'warn',
        text: `limits.${entry.limit} was reached ${entry.times} times; more load waits`,
      };
    case 'background':
      return {
        level: 'warn',
        text: `${entry.what} of ${entry.path} failed with errno ${entry.errno} and will be tried again`,
      };
  }
}

const PEERS: Readonly<Record<string, string>> = {
  magic: 'its first bytes are not LWP',
  version: 'it speaks another version of LWP',
  'header-checksum': 'a frame header had a wrong checksum',
  'first-frame-timeout': 'no valid frame came within limits.frame_timeout',
  'frame-timeout': 'a frame was not complete within limits.frame_timeout',
  'idle-timeout': 'it was idle for limits.idle_timeout',
  'does-not-read': 'it does not read what it is sent',
};

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

/** Writes what the engine tells to the log, at most a line a second of each kind and topic. */
export function engineLog(log: Logger, topicName: (id: number) => string): (entry: LogEntry) => void {
  const limit = new RateLimit();
  return (entry) => {
    const { level, text } = sentenceOf(entry, topicName);
    const kind = `${entry.event}/${'topic' in entry ? entry.topic : ''}/${'what' in entry ? entry.what : ''}${'limit' in entry ? entry.limit : ''}`;
    const held = limit.pass(kind);
    if (held === undefined) return;
    log[level](
      { event: entry.event, ...('topic' in entry && { topic: topicName(entry.topic) }) },
      held > 0 ? `${text} (and ${held} more like it)` : text,
    );
  };
}
