import { LanceError } from '../errors.js';

/** What a bench runs with (cli.md, "Bench"). Times are milliseconds, sizes bytes. */
export interface BenchOptions {
  durationMs: number;
  warmupMs: number;
  /** Records a second over all connections, or as fast as acknowledgements come. */
  rate: number | 'max';
  arrivals: 'even' | 'poisson';
  connections: number;
  topics: number;
  recordSize: number;
  batchBytes: number;
  /** Frames a connection keeps unacknowledged, where the rate is `max`. */
  inFlight: number;
  durability: 'durable' | 'written';
  compression: 'none' | 'lz4' | 'zstd';
  /** A node that runs already; without it one is started. */
  endpoint?: string | undefined;
  /** Where the node and the floors write: a folder below it that is removed at the end. */
  dataDir: string;
  repeat: number;
  /** Configuration file of the node that is started; its defaults without. */
  configFile?: string | undefined;
  /** The node stores nothing: the engine is measured without its disk. */
  discard?: boolean | undefined;
  /** Whether the machine's floors are measured beside it. */
  floor: boolean;
  /** Whether the generator asks its socket again and again instead of sleeping; undefined: where that pays. */
  spin?: boolean | undefined;
}

/** The scenarios that load a node by producing. */
export type ProduceScenario = 'ingest' | 'latency';

/** What each scenario runs with unless told (cli.md, "Bench"). */
export const DEFAULTS = {
  ingest: { rate: 'max', connections: 16, recordSize: 1024, batchBytes: 65_536, inFlight: 8 },
  latency: { rate: 5_000, connections: 1, recordSize: 300, batchBytes: 1, inFlight: 8 },
  consume: { rate: 5_000, connections: 1, recordSize: 1024, batchBytes: 65_536, inFlight: 8 },
} as const satisfies Record<string, Partial<BenchOptions>>;

/** `config` of a result: what ran, in the units of the flags' names. */
export function configDocument(options: BenchOptions): Record<string, unknown> {
  const { durationMs, warmupMs, endpoint, configFile, discard, floor: _, spin: __, ...rest } = options;
  return {
    seconds: durationMs / 1000,
    warmupSeconds: warmupMs / 1000,
    ...rest,
    ...(discard && { discard }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(configFile === undefined ? {} : { configFile }),
  };
}

/** Throws LanceError, exit code 2, for options that cannot go together. */
export function checkOptions(options: BenchOptions): void {
  const wrong = problemOf(options);
  if (wrong) throw new LanceError(wrong.message, { code: 'USAGE', hint: wrong.hint, exitCode: 2 });
}

function problemOf({
  discard,
  durationMs,
  endpoint,
  recordSize,
  rate,
}: BenchOptions): { message: string; hint: string } | undefined {
  if (durationMs < 10)
    return { message: '--duration is below 10ms.', hint: 'A run of some seconds tells more.' };
  if (discard && endpoint !== undefined)
    return {
      message: '--discard and --endpoint exclude each other.',
      hint: 'Only a node that the bench starts can be told to store nothing.',
    };
  if (recordSize > 16 * 2 ** 20 - 8192) {
    return { message: `A record of ${recordSize} bytes fits no frame.`, hint: 'At most 16MiB - 8KiB.' };
  }
  if (rate !== 'max' && !(rate > 0))
    return { message: '--rate must be above 0.', hint: 'Or `max`: as fast as acknowledgements come.' };
  return undefined;
}
