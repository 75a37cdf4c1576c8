import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { SamplingError } from './errors.js';
import type { Reading, TopicReading } from './reading.js';

/** First line of a recording. */
const HEADER = { recording: 'lance-top', version: 1 } as const;

/** What every Reading has for certain; the rest is of the same hand as this reader, by the version. */
const readingSchema = z.looseObject({
  sampledAt: z.number(),
  seconds: z.number(),
  node: z.looseObject({ source: z.string(), presence: z.string() }),
  health: z.object({ level: z.enum(['ok', 'warning', 'failing']), reasons: z.array(z.string()) }),
  ingest: z.looseObject({ bytes: z.number(), records: z.number() }),
  fetch: z.looseObject({ bytes: z.number(), records: z.number() }),
  latency: z.looseObject({}),
  stages: z.array(z.looseObject({ stage: z.string(), mean: z.number() })),
  agents: z.array(z.looseObject({ agent: z.string() })),
  threads: z.array(z.looseObject({ thread: z.string() })),
  queues: z.array(z.looseObject({ queue: z.string() })),
  slabs: z.array(z.looseObject({ pool: z.string() })),
  device: z.looseObject({ depth: z.number() }),
  journal: z.looseObject({ chunk: z.number() }),
  network: z.looseObject({ connections: z.number(), errors: z.array(z.looseObject({ code: z.string() })) }),
  trouble: z.looseObject({ deviceErrors: z.number() }),
  topics: z.array(z.looseObject({ id: z.number(), name: z.string() })),
  topicCount: z.number(),
  events: z.array(z.looseObject({ atMs: z.number(), text: z.string() })),
});

/** Writes readings to a file, one JSON document a line. */
export class Recorder {
  private constructor(private readonly fd: number) {}

  /** Makes `path` anew. Throws SamplingError where that cannot be. */
  static create(path: string): Recorder {
    try {
      const recorder = new Recorder(openSync(path, 'wx'));
      writeSync(recorder.fd, `${JSON.stringify(HEADER)}\n`);
      return recorder;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new SamplingError(
        'RECORDING_UNWRITABLE',
        code === 'EEXIST' ? `${path} is there already.` : `${path} cannot be written (${code}).`,
        'Name another file with --record.',
        { cause: error, usage: true },
      );
    }
  }

  /** Appends one reading, with the topics that matter most. A full disk ends the recording with an error, not the dashboard without a word. */
  write(reading: Reading): void {
    const topics = foremost(reading.topics);
    writeSync(this.fd, `${JSON.stringify({ ...reading, topics })}\n`);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Topics that a recording keeps of each reading: with thousands an hour would fill a disk. */
const TOPICS_KEPT = 200;

/** Those that take or give most, that are in trouble, or furthest behind; in the order in which they were. */
function foremost(topics: readonly TopicReading[]): readonly TopicReading[] {
  if (topics.length <= TOPICS_KEPT) return topics;
  const weight = ({ state, bytes, fetchedBytes, lag }: TopicReading): number =>
    state === 'live' ? (bytes ?? 0) + (fetchedBytes ?? 0) + (lag ?? 0) / 1e6 : Number.MAX_VALUE;
  const kept = new Set([...topics].sort((a, b) => weight(b) - weight(a)).slice(0, TOPICS_KEPT));
  return topics.filter((topic) => kept.has(topic));
}

/** The readings of a recording, in their order; a last line that was cut is left out. Throws SamplingError. */
export function readRecording(path: string): Reading[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new SamplingError(
      'RECORDING_UNREADABLE',
      `${path} cannot be read (${code}).`,
      'Name a file that --record wrote.',
      {
        usage: true,
        cause: error,
      },
    );
  }
  const [first = '', ...lines] = text.split('\n');
  const header = parsed(first) as { recording?: unknown; version?: unknown } | undefined;
  if (header?.recording !== HEADER.recording) {
    throw new SamplingError(
      'NO_RECORDING',
      `${path} is no recording of lance top: its first line does not say so.`,
      'Name a file that --record wrote.',
      { usage: true },
    );
  }
  if (header.version !== HEADER.version) {
    throw new SamplingError(
      'RECORDING_VERSION',
      `${path} is a recording of version ${String(header.version)}; this lance reads version ${HEADER.version}.`,
      'Use the lance that recorded it, or a newer one.',
      { usage: true },
    );
  }
  const whole = text.endsWith('\n') ? lines.slice(0, -1) : lines;
  const readings = whole.flatMap((line, i) => {
    const document = parsed(line);
    const checked = readingSchema.safeParse(document);
    if (checked.success) return [document as Reading];
    // The writer was killed in the middle of its last line.
    if (i === whole.length - 1) return [];
    const issue = checked.error.issues[0];
    throw new SamplingError(
      'RECORDING_DAMAGED',
      `${path}, line ${i + 2}: ${issue?.path.join('.') || 'the line'} is not as expected.`,
      'Cut the file before that line to see what comes before it.',
    );
  });
  if (readings.length > 0) return readings;
  throw new SamplingError('RECORDING_EMPTY', `${path} holds no reading.`, 'Record for more than a second.', {
    usage: true,
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
