import {
  address,
  addresses,
  choice,
  counts,
  duration,
  type Field,
  flag,
  integer,
  optionalInteger,
  optionalText,
  size,
  text,
} from './fields.js';

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const GiB = 2 ** 30;
const TiB = 2 ** 40;
const SECOND = 1e3;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEARS = 3_650 * DAY;
/** Buffers of one class: the engine counts them in 32 bits, memory ends long before. */
const BUFFERS = { min: 1, max: 1_048_576 };

/**
 * Every key of lance.toml by section, in the order of the commented file (cli.md, "Configuration"). The one place that
 * knows names, ranges and defaults; `[limits]` mirrors native/engine/src/limits.rs.
 */
export const SCHEMA = {
  node: {
    id: integer('Number of this node: part of every sort key, unique in a cluster.', 1, {
      min: 0,
      max: 65_535,
    }),
    data_dir: text('Where journal, segments and metadata live.', './lance-data', 'a path'),
  },
  network: {
    bind: address('Where clients (and, in a cluster, the other nodes) connect. Port 0 picks one.', {
      host: '127.0.0.1',
      port: 1992,
    }),
    nic_pci_addr: optionalText(
      'PCI address of the network card that this node serves from, for placing threads.',
      {
        pattern: /^[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]$/,
        example: '0000:3b:00.0',
        expects: 'a PCI address',
      },
    ),
  },
  admin: {
    bind: address('Where health, counters and metrics are served over HTTP.', {
      host: '127.0.0.1',
      port: 1993,
    }),
  },
  io: {
    backend: choice('Auto takes io_uring where the kernel has it.', 'auto', ['auto', 'io_uring', 'pwritev2']),
    durability: choice(
      'For new topics. durable: an ack means stable storage; written: the device accepted the write.',
      'durable',
      ['durable', 'written'],
    ),
    flush_interval: duration(
      'How often written topics are flushed in the background; the last batch of a topic may wait for the time after.',
      SECOND,
      {
        min: 1,
        max: HOUR,
      },
    ),
    batch_size: size('Largest regular batch, and so the largest regular write.', 256 * KiB, {
      min: 4 * KiB,
      max: 4 * MiB,
      multipleOf: 4 * KiB,
    }),
    uring_sq_depth: integer('Entries of the submission ring of each engine thread.', 256, {
      min: 8,
      max: 32_768,
    }),
    o_direct: flag(
      "Write past the kernel's page cache. Only a file system without O_DIRECT needs false.",
      true,
    ),
  },
  journal: {
    chunk_bytes: size('Size of one chunk of the shared journal.', 64 * MiB, {
      min: 4 * MiB,
      max: 4 * GiB,
      multipleOf: 4 * KiB,
    }),
  },
  segment: {
    max_bytes: size('A segment is sealed when it has grown to this.', GiB, { min: MiB, max: TiB }),
    max_age: duration(
      'A segment is sealed when it has become this old; 0: never by age.',
      7 * DAY,
      {
        min: SECOND,
        max: YEARS,
      },
      true,
    ),
  },
  retention: {
    interval: duration('How often topics are checked for what may go.', 10 * SECOND, { min: 100, max: DAY }),
  },
  index: {
    every_bytes: size('One sparse index entry at least every so many bytes.', 64 * KiB, {
      min: 4 * KiB,
      max: GiB,
    }),
  },
  ingest: {
    bare_payload: choice(
      'A payload that is no sequence of records: stored as one raw record, or refused.',
      'wrap',
      ['wrap', 'reject'],
    ),
  },
  runtime: {
    layout: choice('One thread for all of the engine, or one a stage. Auto looks at the cores.', 'auto', [
      'auto',
      'shared',
      'dedicated',
    ]),
    idle: choice(
      'What an engine thread does when there is nothing to do. Auto spins only on granted cores.',
      'auto',
      ['auto', 'spin', 'yield', 'park'],
    ),
    scheduling: choice(
      'Scheduling class of pinned engine threads. fifo: real time, for threads that park.',
      'normal',
      ['normal', 'fifo'],
    ),
  },
  drain: {
    timeout: duration('How long a stopping node may take to finish what is in flight.', 30 * SECOND, {
      min: SECOND,
      max: DAY,
    }),
  },
  log: {
    level: choice('How much is logged.', 'info', [
      'trace',
      'debug',
      'info',
      'warn',
      'error',
      'fatal',
      'silent',
    ]),
    format: choice('For people or for machines.', 'pretty', ['pretty', 'json']),
  },
  telemetry: {
    otlp_endpoint: optionalText(
      'A collector that metrics are sent to with OpenTelemetry (OTLP over HTTP, JSON); /v1/metrics is added to a bare address.',
      {
        pattern: /^https?:\/\/[^\s/:]+(:\d{1,5})?(\/\S*)?$/,
        example: 'http://127.0.0.1:4318',
        expects: 'an HTTP address',
      },
    ),
    otlp_interval: duration('How often they are sent.', 15 * SECOND, { min: SECOND, max: HOUR }),
  },
  numa: {
    enabled: flag('Pin threads and bind memory as `lance topology` plans.', false),
    pin: choice('Auto pins from three cores on; below that it costs more than it gains.', 'auto', [
      'auto',
      'always',
    ]),
    nic_node: optionalInteger('NUMA node of the network card, where sysfs does not tell.', {
      min: 0,
      max: 1023,
    }),
    nvme_node: optionalInteger('NUMA node of the storage, where sysfs does not tell.', { min: 0, max: 1023 }),
  },
  replication: {
    mode: choice("L1: an ack means the leader's own disk; L2: a majority of the disks.", 'L1', ['L1', 'L2']),
    peers: addresses('The other nodes of the cluster. Empty: a node alone.'),
    quorum_timeout: duration('How long an L2 write waits for a majority.', 5 * SECOND, {
      min: 10,
      max: HOUR,
    }),
  },
  tls: {
    cert: optionalText('Certificate chain of this node, PEM.', {
      example: '/etc/lance/node.crt',
      expects: 'a path',
    }),
    key: optionalText('Private key of the certificate, PEM.', {
      example: '/etc/lance/node.key',
      expects: 'a path',
    }),
    ca: optionalText('Authorities whose client certificates are accepted, PEM.', {
      example: '/etc/lance/ca.crt',
      expects: 'a path',
    }),
    client_auth: choice('Whether clients must show a certificate.', 'none', ['none', 'optional', 'required']),
  },
  auth: {
    enabled: flag('Ask clients for a token.', false),
    tokens_file: optionalText('File of tokens and what each may do.', {
      example: '/etc/lance/tokens.toml',
      expects: 'a path',
    }),
  },
  limits: {
    max_frame: size('Largest frame, header included. Published clients refuse more than 16MiB.', 16 * MiB, {
      min: 64 * KiB,
      max: 256 * MiB,
    }),
    connections: integer('Connections at once.', 8_192, { min: 1, max: 1_000_000 }),
    topics: integer('Topics at once.', 10_000, { min: 1, max: 1_000_000 }),
    inflight_frames: integer('Frames received and not yet acknowledged, of all connections.', 16_384, {
      min: 1,
      max: 16_777_216,
    }),
    inflight_bytes: size('Bytes of frames received and not yet taken over by their topic.', 8 * MiB, {
      min: 64 * KiB,
      max: TiB,
    }),
    frame_timeout: duration(
      'A first frame, or the rest of a begun one, must arrive within this.',
      30 * SECOND,
      {
        min: 10,
        max: DAY,
      },
    ),
    idle_timeout: duration(
      'A connection without traffic is closed after this; 0: never.',
      0,
      {
        min: 100,
        max: YEARS,
      },
      true,
    ),
    commits: integer('Committed offsets kept at once, of all topics.', 16_384, { min: 1, max: 16_777_216 }),
    commits_per_topic: integer('Committed offsets kept at once, of one topic.', 1_024, {
      min: 1,
      max: 16_777_216,
    }),
    commit_ttl: duration('A committed offset is forgotten after this.', 7 * DAY, { min: SECOND, max: YEARS }),
    min_free_disk: size('With less free space than this, writes are refused and reads served.', 256 * MiB, {
      min: 0,
      max: 1_024 * TiB,
    }),
    waiters: integer('Fetches that wait for data, at once.', 16_384, { min: 1, max: 16_777_216 }),
    recv_buffers: integer('Shared receive buffers.', 256, { min: 8, max: 32_768 }),
    recv_buffer_bytes: size('Size of each shared receive buffer.', 16 * KiB, {
      min: 4 * KiB,
      max: MiB,
      multipleOf: 4 * KiB,
    }),
    topic_slabs: counts(
      "Buffers of 4, 16, 64 KiB and io.batch_size, and a little more, in which topics' batches are laid out.",
      [512, 640, 64, 64],
      BUFFERS,
    ),
    frame_slabs: counts(
      'Buffers of 4, 16, 64 KiB and io.batch_size for frames that arrive in pieces.',
      [256, 64, 64, 8],
      BUFFERS,
    ),
    response_slabs: counts('Buffers of 16, 64, 256 KiB and 1 MiB for responses.', [32, 16, 4, 2], BUFFERS),
    read_slabs: integer('Buffers of 512 KiB for reads from disk.', 8, BUFFERS),
    journal_buffers: integer('Buffers of 1 MiB for journal writes.', 1, { min: 1, max: 1_024 }),
    jumbo_slabs: integer(
      'Buffers of limits.max_frame, for frames and for responses each; memory is taken on first use.',
      16,
      {
        min: 1,
        max: 4_096,
      },
    ),
  },
} as const;

/** Sections whose work comes in a later release: checked now, reported as "not active yet" when they are set. */
export const NOT_ACTIVE: readonly string[] = ['replication', 'tls', 'auth'];

type Schema = typeof SCHEMA;
type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
type ValueOf<F> = F extends Field<infer T> ? T : never;

/**
 * The configuration in force: `config.io.batchSize` is `io.batch_size` of lance.toml. Sizes are bytes, times are
 * milliseconds (a fraction is possible), addresses are taken apart, what may be absent is undefined.
 */
export type LanceConfig = {
  readonly [S in keyof Schema]: {
    readonly [K in keyof Schema[S] as Camel<K & string>]: ValueOf<Schema[S][K]>;
  };
};

/** A field whose value type is not known where it is used. */
export type AnyField = Field<unknown>;

/** `batch_size` -> `batchSize`. */
export function camel(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** Every key as [section, name, field], in the order of the schema. */
export function allFields(): [section: string, name: string, field: AnyField][] {
  return Object.entries(SCHEMA).flatMap(([section, fields]) =>
    Object.entries(fields).map(([name, field]): [string, string, AnyField] => [
      section,
      name,
      field as AnyField,
    ]),
  );
}
