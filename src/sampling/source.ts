import type { RawSample } from './raw.js';

/** What a look at a node gave. */
export type Observation =
  | { kind: 'sample'; sample: RawSample; presence: Presence; notes: readonly string[] }
  | { kind: 'unreachable'; atMs: number; reason: string };

/** Whether the node is there: it serves; its process lives and shows no heartbeat; it ended; it was stopped cleanly. */
export type Presence = 'serving' | 'hanging' | 'gone' | 'stopped';

/** Where a node can be looked at. */
export interface Source {
  /** As a person names it: a directory, `host:port`. */
  readonly name: string;
  /** One look. Never rejects: what goes wrong is the observation. */
  observe(): Promise<Observation>;
  /** The topic that is looked at closely from now on, by id: its consumers are told one by one. */
  focus?(topic: number | undefined): void;
}
