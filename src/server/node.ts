import { rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { type Address, formatAddress, formatDuration, type LanceConfig } from '../config/index.js';
import {
  type ControlRequest,
  type Engine,
  type EngineListener,
  type LogEntry,
  type Started,
  startEngine,
} from '../engine/index.js';
import { createAdmin } from './admin.js';
import { Catalogue } from './catalogue.js';
import { ControlDesk } from './control-requests.js';
import { copyCounters, readLiveCounters } from './counters-copy.js';
import { DataDirectory } from './data-directory.js';
import { DiskWatch } from './disk-watch.js';
import { engineConfig } from './engine-config.js';
import { errorCode, StartError, words } from './errors.js';
import { Health } from './health.js';
import { engineLog, failureLog } from './log.js';
import type { LogFile } from './log-file.js';
import { NodeMetrics } from './node-metrics.js';
import { processLimits, tooFewFiles } from './open-files.js';
import { logPlacement, type NodePlacement, reportPlacement } from './placement.js';
import { RecentEvents } from './recent-events.js';
import { type Repeated, repeat } from './repeat.js';
import { applyRetention } from './retention-loop.js';
import { notify } from './service-manager.js';
import { TopDocument } from './top-document.js';

/** What a node is started with. */
export interface NodeOptions {
  config: LanceConfig;
  /** Whether somebody set `node.id`; else a data directory's own number is taken. */
  nodeIdExplicit: boolean;
  /** Whether somebody set `limits.min_free_disk`; else a small file system counts by a share of its size. */
  minFreeDiskExplicit: boolean;
  /** Where threads and memory belong on this machine. */
  placement: NodePlacement;
  version: string;
  log: Logger;
  /** Where the log is kept in the data directory. */
  logFile?: LogFile;
  /** What a bench told this node so that it stores nothing. */
  discard?: string | undefined;
}

const STORES_NOTHING =
  'THIS NODE STORES NOTHING: what it acknowledges is thrown away. It was started by `lance bench ingest --discard` to measure the engine without its disk';
/** How often the live counters are copied into the data directory, and the disk is looked at, ms. */
const COUNTERS_COPY_MS = 5_000;
const DISK_WATCH_MS = 200;
/** How often it is looked where placed memory lies, ms: it is bound and seldom moves. */
const MEMORY_LOOK_MS = 10_000;

/** A node that serves: the engine and everything of the control plane around it. */
export class LanceNode {
  #loops: Repeated[] = [];

  private constructor(
    private readonly options: NodeOptions,
    private readonly directory: DataDirectory,
    private readonly engine: Engine,
    private readonly started: Started,
    private readonly catalogue: Catalogue,
    private readonly disk: DiskWatch,
    private readonly health: Health,
    private readonly recent: RecentEvents,
  ) {}

  /**
   * Data directory, engine, catalogue, admin endpoint, in this order; resolves when connections are accepted. Throws
   * StartError and EngineError; then nothing is left running.
   */
  static async start(options: NodeOptions): Promise<LanceNode> {
    const { config, log } = options;
    const directory = await DataDirectory.open({
      path: config.node.dataDir,
      nodeId: { nodeId: config.node.id, explicit: options.nodeIdExplicit },
      durability: config.io.durability,
      discard: options.discard,
    });
    if (directory.discards) log.error({ code: 'discards' }, STORES_NOTHING);
    options.logFile?.open(directory.path);
    const inbox = new Inbox();
    const { engine, started, moved } = await startEngine(
      await engineConfig(config, directory, options.placement.granted),
      inbox,
    );
    try {
      reportStart(started, log);
      const fewFiles = tooFewFiles(config.limits.connections, processLimits());
      if (fewFiles) log.warn(fewFiles);
      logPlacement(log, await reportPlacement(options.placement, engine, started, moved));
      if (started.counters !== undefined) await directory.countersAt(started.counters);
      await directory.reserveTopicIds(started.topics.map(({ metadata }) => metadata.id));
      reportLostNodeFile(directory, started, log);
      const catalogue = new Catalogue({
        engine,
        directory,
        topics: started.topics.map(({ metadata }) => metadata),
        durability: config.io.durability,
        limit: config.limits.topics,
      });
      const { nodeId, clusterId } = directory.node;
      const identity = { version: options.version, nodeId, clusterId, maxFrame: config.limits.maxFrame };
      const desk = new ControlDesk(engine, catalogue, identity);
      const { minFreeDisk: bytes } = config.limits;
      const disk = new DiskWatch(directory.path, { bytes, exact: options.minFreeDiskExplicit }, engine, log);
      const counters = () => readLiveCounters(directory.node.counters);
      const health = new Health({ counters, catalogue, disk: () => disk.condition });
      for (const { metadata } of started.topics.filter((topic) => topic.frozen)) health.frozen(metadata.id);
      const write = engineLog(log, (id) => catalogue.nameOf(id));
      const recent = new RecentEvents((id) => catalogue.nameOf(id));
      inbox.open({
        control: (request) => {
          desk
            .take(request)
            .catch((error: unknown) => log.error(`a control request failed: ${words(error)}`));
        },
        log: (entry) => {
          health.hear(entry);
          write(entry);
          recent.hear(entry);
        },
      });
      const node = new LanceNode(options, directory, engine, started, catalogue, disk, health, recent);
      await node.#serveAdmin();
      node.#startLoops();
      return node;
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  #admin: FastifyInstance | undefined;
  #telemetry: { stop(): Promise<void> } | undefined;
  #adminAddress: Address = { host: '', port: 0 };

  /** Where clients connect, `127.0.0.1:1992`. */
  get lwpAddress(): string {
    return this.started.address;
  }

  /** Where the admin endpoint listens. */
  get adminAddress(): string {
    return formatAddress(this.#adminAddress);
  }

  /** The first line of `lance serve --json` (cli.md). */
  get ready() {
    return {
      event: 'ready',
      lwp: this.lwpAddress,
      admin: this.adminAddress,
      pid: process.pid,
      nodeId: this.directory.node.nodeId,
      dataDir: this.directory.path,
      backend: this.started.backend,
      durability: this.options.config.io.durability,
    } as const;
  }

  /**
   * Stops accepting, finishes what is in flight, brings the journal into segments and stops everything; bounded by
   * `drain.timeout`. False when the time was not enough: nothing acknowledged is lost, the next start has more to do.
   */
  async drain(): Promise<boolean> {
    const { config, log } = this.options;
    this.health.draining();
    notify('STOPPING=1', 'draining');
    const finished = await within(config.drain.timeout, async () => {
      await Promise.all(this.#loops.map((loop) => loop.stop()));
      await this.engine.drain();
      await this.#telemetry?.stop();
      await this.#copyCounters().catch((error: unknown) =>
        log.warn(`copying the counters failed: ${words(error)}`),
      );
      await this.engine.stop();
      await this.#admin?.close();
      const { counters } = this.started;
      if (counters !== undefined) await rm(counters, { force: true });
    });
    const left = this.health.leftInJournal();
    if (finished && left === undefined) log.info('drained: everything acknowledged is in its segments');
    else if (finished)
      log.warn(
        `drained, but ${left}: what was acknowledged last may be in the journal alone. Keep the journal with the segments; the next start recovers it`,
      );
    else
      log.error(`not drained within drain.timeout (${formatDuration(config.drain.timeout)}); leaving anyway`);
    return finished;
  }

  async #serveAdmin(): Promise<void> {
    const { config, version } = this.options;
    const parts = {
      version,
      nodeId: this.directory.node.nodeId,
      engine: this.engine,
      catalogue: this.catalogue,
      counters: () => readLiveCounters(this.directory.node.counters),
      health: this.health,
    };
    const top = new TopDocument({
      ...parts,
      clusterId: this.directory.node.clusterId,
      dataDir: this.directory.path,
      events: this.recent,
    });
    const freeDisk = () => this.disk.freeBytes;
    const metrics = new NodeMetrics({ ...parts, freeDisk });
    const app = createAdmin({ ...parts, freeDisk, top: (request) => top.make(request) }, metrics);
    await this.#startTelemetry(metrics);
    const { host, port } = config.admin.bind;
    try {
      await app.listen({ host, port });
    } catch (error) {
      throw adminUnusable(config.admin.bind, error);
    }
    this.#admin = app;
    const bound = app.server.address();
    this.#adminAddress =
      typeof bound === 'object' && bound ? { host: bound.address, port: bound.port } : { host, port };
    // For `lance top --data-dir`; a node without it serves all the same.
    await writeFile(this.directory.adminAddressFile, `${this.adminAddress}\n`).catch((error: unknown) =>
      this.options.log.warn(`${this.directory.adminAddressFile} cannot be written: ${words(error)}`),
    );
  }

  /** Sends metrics where `telemetry.otlp_endpoint` says; the SDK is loaded only then. */
  async #startTelemetry(metrics: NodeMetrics): Promise<void> {
    const { config, version, log } = this.options;
    const { otlpEndpoint: endpoint, otlpInterval: interval } = config.telemetry;
    if (endpoint === undefined) return;
    const { startTelemetry } = await import('./telemetry/index.js');
    const { nodeId, clusterId } = this.directory.node;
    const resource = {
      'service.version': version,
      'service.instance.id': `${clusterId}/${nodeId}`,
      'host.name': hostname(),
      'process.pid': process.pid,
      'lance.node.id': nodeId,
    };
    this.#telemetry = startTelemetry({ endpoint, interval, metrics, resource, log });
  }

  #startLoops(): void {
    const { config, log } = this.options;
    const { engine, catalogue, directory } = this;
    const failed = failureLog(log);
    this.#loops = [
      repeat(DISK_WATCH_MS, () => this.disk.look(), failed('looking at the free disk space')),
      repeat(COUNTERS_COPY_MS, () => this.#copyCounters(), failed('copying the counters')),
      repeat(
        config.retention.interval,
        () => applyRetention({ engine, catalogue, directory, log }),
        failed('retention'),
      ),
    ];
    if (this.options.placement.granted !== undefined) {
      const look = async () => void (await engine.lookAtMemory());
      this.#loops.push(repeat(MEMORY_LOOK_MS, look, failed('looking at the memory')));
    }
  }

  #copyCounters(): Promise<void> {
    return copyCounters(this.directory.node.counters, this.directory.countersCopy);
  }
}

/** Keeps what the engine tells until there is somebody to hear it. */
class Inbox implements EngineListener {
  #listener: EngineListener | undefined;
  #kept: ((listener: EngineListener) => void)[] = [];

  control(request: ControlRequest): void {
    this.#deliver((listener) => listener.control(request));
  }

  log(entry: LogEntry): void {
    this.#deliver((listener) => listener.log(entry));
  }

  open(listener: EngineListener): void {
    this.#listener = listener;
    for (const deliver of this.#kept.splice(0)) deliver(listener);
  }

  #deliver(deliver: (listener: EngineListener) => void): void {
    if (this.#listener) deliver(this.#listener);
    else this.#kept.push(deliver);
  }
}

function reportStart({ findings, announcements }: Started, log: Logger): void {
  for (const { severity, code, path, at, detail } of findings) {
    const level = ({ info: 'info', warning: 'warn', error: 'error' } as const)[severity];
    log[level](
      { code, path, ...(at !== undefined && { at: at.toString() }) },
      `recovery: ${path}: ${detail}`,
    );
  }
  for (const announcement of announcements) log.info(announcement);
}

/** A directory that has topics and had no `node.json` has forgotten who it is: it serves, and says what is not as it was. */
function reportLostNodeFile({ nodeFileMade, node }: DataDirectory, { topics }: Started, log: Logger): void {
  if (!nodeFileMade || topics.every(({ metadata }) => metadata.id === 0)) return;
  log.warn(
    { code: 'node-file-rebuilt' },
    `node.json was missing and is made anew: this is node ${node.nodeId} with a new cluster id, and the next topic gets id ${node.nextTopicId}, which a deleted one may have had. If a backup has the file, stop the node and put it back`,
  );
}

function adminUnusable(bind: Address, error: unknown): StartError {
  const inUse = errorCode(error) === 'EADDRINUSE';
  const address = formatAddress(bind);
  return new StartError(
    inUse
      ? `The admin address ${address} is in use.`
      : `The admin address ${address} cannot be listened on: ${words(error)}.`,
    {
      code: inUse ? 'ADDRESS_IN_USE' : 'ADDRESS_UNUSABLE',
      hint: 'Stop what listens there, or choose another with --admin (port 0 picks one).',
      cause: error,
    },
  );
}

/** Whether `work` ended within `ms`. What it throws is thrown. */
async function within(ms: number, work: () => Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work().then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
