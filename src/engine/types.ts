export type {
  Commit,
  ControlId,
  Description,
  EngineConfig,
  EngineLimits,
  EngineRunner,
  EngineThread,
  Finding,
  HelloSettings,
  LogEntry,
  PlacedMemory,
  Placement,
  Position,
  RecoveredTopic,
  Refusal,
  Retention,
  TopicMetadata,
} from '../../native/addon/engine.js';

import type {
  Commit,
  ControlId,
  Description,
  HelloSettings,
  LogEntry,
  PlacedMemory,
  StartOutcome,
  TopicMetadata,
} from '../../native/addon/engine.js';

/** When an ack leaves: on stable storage, or once the device accepted the write. */
export type Durability = TopicMetadata['durability'];

/** A node that serves: where, with what, and what recovery found. */
export type Started = Omit<Extract<StartOutcome, { kind: 'started' }>, 'kind'>;

/** A control frame that only the control plane can answer (lwp.md, "Control commands"). */
export interface ControlRequest {
  id: ControlId;
  /** Command code as on the wire. */
  code: number;
  payload: Buffer;
}

/** The answer to a control request. */
export interface ControlAnswer {
  /** Answer code as on the wire. */
  code: number;
  payload: Uint8Array;
  /** With an accepted Hello. */
  hello?: HelloSettings;
}

/** Who hears what the engine tells unasked. */
export interface EngineListener {
  control(request: ControlRequest): void;
  log(entry: LogEntry): void;
}

/**
 * What the control plane can tell a running engine. Promises reject with EngineRefusal when the engine says no, and with
 * EngineError `ENGINE_STOPPED` when it no longer runs.
 */
export interface Engine {
  /** Serves a topic whose directory and metadata.json are durable. */
  addTopic(metadata: TopicMetadata): Promise<void>;
  /** Takes nothing more for the topic and removes its directory durably. */
  removeTopic(topic: number): Promise<void>;
  setDurability(topic: number, durability: Durability): Promise<void>;
  describe(topic: number): Promise<Description>;
  /** Removes the sealed segments that end at or below the offset. */
  retain(topic: number, belowOffset: bigint): Promise<void>;
  /** Seals the active segment. */
  seal(topic: number): Promise<void>;
  listCommits(topic: number): Promise<Commit[]>;
  /** Refuses writes, or takes them again. */
  refuseWrites(refuse: boolean): void;
  answer(id: ControlId, answer: ControlAnswer): void;
  /** Where the memory lies that belongs on a NUMA node, as the kernel tells it; the counters follow. Empty: none does. */
  lookAtMemory(): Promise<PlacedMemory[]>;
  /** Stops accepting, finishes what is in flight, brings the journal into the segments; resolves when that is done. */
  drain(): Promise<void>;
  /** Closes all connections and joins the engine's threads. */
  stop(): Promise<void>;
}
