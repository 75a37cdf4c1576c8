import { Flags } from '@oclif/core';
import type { BenchOptions } from '../bench/index.js';
import { ExitCode, LanceError } from '../errors.js';
import { jsonFlag } from './command.js';
import { durationFlag, sizeFlag } from './node-flags.js';

/** What the flags of a scenario default to. */
export interface BenchDefaults {
  rate: number | 'max';
  connections: number;
  recordSize: number;
  batchBytes: number;
  inFlight: number;
}

const rateFlag = Flags.custom<number | 'max'>({
  helpValue: 'N|max',
  parse: async (text) => {
    const rate = text === 'max' ? 'max' : Number(text.replace(/,/g, ''));
    if (rate === 'max' || (Number.isFinite(rate) && rate > 0)) return rate;
    throw new LanceError(`--rate must be a number above 0 or "max", not "${text}".`, {
      code: 'USAGE',
      hint: 'Records a second over all connections, such as 5000.',
      exitCode: ExitCode.usage,
    });
  },
});

/** The flags of every scenario (cli.md, "Bench"), with its defaults. */
export function benchFlags(defaults: BenchDefaults, durationMs = 10_000) {
  const seconds = `${durationMs / 1000}s`;
  return {
    duration: durationFlag({
      default: durationMs,
      defaultHelp: async () => seconds,
      description: 'measured time',
    }),
    warmup: durationFlag({
      default: 2_000,
      defaultHelp: async () => '2s',
      description: 'load before it, not counted',
    }),
    rate: rateFlag({
      default: defaults.rate,
      description: 'records a second on a schedule, or max: as fast as acknowledgements come',
    }),
    arrivals: Flags.option({ options: ['even', 'poisson'] as const })({
      default: 'even',
      description: 'how a schedule spreads them',
    }),
    connections: Flags.integer({
      default: defaults.connections,
      min: 1,
      max: 60_000,
      description: 'TCP connections',
    }),
    topics: Flags.integer({ default: 1, min: 1, max: 10_000, description: 'topics, taken in turns' }),
    'record-size': sizeFlag({
      default: defaults.recordSize,
      defaultHelp: async () => `${defaults.recordSize}`,
      description: 'bytes of a value',
    }),
    'batch-bytes': sizeFlag({
      default: defaults.batchBytes,
      defaultHelp: async () => `${defaults.batchBytes}`,
      description: 'records sent together; 1 is a record a frame',
    }),
    'in-flight': Flags.integer({
      default: defaults.inFlight,
      min: 1,
      max: 65_536,
      description: 'frames a connection keeps unacknowledged at --rate max',
    }),
    durability: Flags.option({ options: ['durable', 'written'] as const })({
      default: 'durable',
      description: 'when an ack leaves: on stable storage, or when the device accepted the write',
    }),
    compression: Flags.option({ options: ['none', 'lz4', 'zstd'] as const })({
      default: 'none',
      description: 'of payloads',
    }),
    endpoint: Flags.string({
      helpValue: 'H:P',
      description: 'a node that runs already; else one is started and thrown away',
    }),
    'data-dir': Flags.string({
      helpValue: 'DIR',
      default: '.',
      description: 'where to measure: a folder below it is used and removed',
    }),
    repeat: Flags.integer({
      default: 1,
      min: 1,
      max: 1_000,
      description: 'runs, floors in turns; results are medians',
    }),
    config: Flags.string({
      char: 'c',
      helpValue: 'FILE',
      description: 'configuration of the node that is started',
    }),
    floor: Flags.boolean({
      default: true,
      allowNo: true,
      description: "measure the machine's floors beside it",
    }),
    spin: Flags.boolean({
      allowNo: true,
      description:
        'the generator polls instead of sleeping (default: on a schedule with up to 2 connections)',
    }),
    html: Flags.string({
      helpValue: 'FILE',
      description: 'write a report, one page that needs nothing else',
    }),
    ...jsonFlag,
  };
}

/** Only for a node that the bench itself starts. */
export const discardFlag = Flags.boolean({
  default: false,
  description: 'the node stores nothing: measures the engine without its disk',
  exclusive: ['endpoint'],
});

/** What `benchFlags` parse to. */
export interface BenchFlagValues {
  duration: number;
  warmup: number;
  rate: number | 'max';
  arrivals: 'even' | 'poisson';
  connections: number;
  topics: number;
  'record-size': number;
  'batch-bytes': number;
  'in-flight': number;
  durability: 'durable' | 'written';
  compression: 'none' | 'lz4' | 'zstd';
  discard?: boolean;
  endpoint?: string | undefined;
  'data-dir': string;
  repeat: number;
  config?: string | undefined;
  floor: boolean;
  spin?: boolean | undefined;
  html?: string | undefined;
  json: boolean;
}

/** Flags as the bench takes them. */
export function benchOptions(flags: BenchFlagValues): BenchOptions {
  return {
    durationMs: flags.duration,
    warmupMs: flags.warmup,
    rate: flags.rate,
    arrivals: flags.arrivals,
    connections: flags.connections,
    topics: flags.topics,
    recordSize: flags['record-size'],
    batchBytes: flags['batch-bytes'],
    inFlight: flags['in-flight'],
    durability: flags.durability,
    compression: flags.compression,
    discard: flags.discard,
    endpoint: flags.endpoint,
    dataDir: flags['data-dir'],
    repeat: flags.repeat,
    configFile: flags.config,
    floor: flags.floor,
    spin: flags.spin,
  };
}
