import { readdirSync, readFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import type { EngineCommand, EngineEvent, EngineNode } from '../../native/addon/engine.js';
import { addon } from './addon.js';
import { EngineError, EngineRefusal } from './errors.js';
import type {
  Commit,
  ControlAnswer,
  ControlId,
  Description,
  Durability,
  Engine,
  EngineConfig,
  EngineListener,
  PlacedMemory,
  Refusal,
  Started,
  TopicMetadata,
} from './types.js';

/** How long to wait before a full queue is tried again, ms. */
const RETRY_MS = 1;

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Every command but the query number, which is given here. */
type Question = EngineCommand extends infer C
  ? C extends { query: number }
    ? Omit<C, 'query'>
    : never
  : never;

/** The engine in this process, through the addon. Made by `startEngine`. */
class NativeEngine implements Engine {
  readonly #node: EngineNode;
  readonly #pending = new Map<number, Pending>();
  /** Commands that found the engine's queue full, oldest first. */
  readonly #waiting: EngineCommand[] = [];
  #nextQuery = 1;
  #drained: (() => void)[] = [];
  #isDrained = false;
  #stopped = false;

  constructor(listener: EngineListener) {
    this.#node = new (addon().EngineNode)((events) => {
      for (const event of events) this.#hear(event, listener);
    });
  }

  async start(config: EngineConfig): Promise<Started> {
    const outcome = await this.#node.start(config);
    if (outcome.kind === 'started') return outcome;
    throw new EngineError(sentence(outcome.message), {
      code: outcome.code.replaceAll('-', '_').toUpperCase(),
      hint: outcome.hint === '' ? undefined : sentence(outcome.hint),
    });
  }

  async addTopic(metadata: TopicMetadata): Promise<void> {
    await this.#ask({ kind: 'addTopic', metadata });
  }

  async removeTopic(topic: number): Promise<void> {
    await this.#ask({ kind: 'removeTopic', topic });
  }

  async setDurability(topic: number, durability: Durability): Promise<void> {
    await this.#ask({ kind: 'setDurability', topic, durability });
  }

  async describe(topic: number): Promise<Description> {
    return (await this.#ask({ kind: 'describe', topic })) as Description;
  }

  async retain(topic: number, belowOffset: bigint): Promise<void> {
    await this.#ask({ kind: 'retain', topic, belowOffset });
  }

  async seal(topic: number): Promise<void> {
    await this.#ask({ kind: 'seal', topic });
  }

  async listCommits(topic: number): Promise<Commit[]> {
    return (await this.#ask({ kind: 'listCommits', topic })) as Commit[];
  }

  refuseWrites(refuse: boolean): void {
    this.#send({ kind: 'refuseWrites', refuse });
  }

  answer(id: ControlId, answer: ControlAnswer): void {
    this.#send({ kind: 'answer', id, ...answer });
  }

  lookAtMemory(): Promise<PlacedMemory[]> {
    return this.#node.lookAtMemory();
  }

  drain(): Promise<void> {
    if (this.#isDrained) return Promise.resolve();
    const drained = new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#send({ kind: 'drain' });
    return drained;
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#node.stop();
    this.#waiting.length = 0;
    for (const { reject } of this.#pending.values()) reject(stopped());
    this.#pending.clear();
  }

  #ask(question: Question): Promise<unknown> {
    if (this.#stopped) return Promise.reject(stopped());
    const query = this.#nextQuery;
    this.#nextQuery += 1;
    return new Promise((resolve, reject) => {
      this.#pending.set(query, { resolve, reject });
      this.#send({ ...question, query });
    });
  }

  /** Gives a command to the engine, behind those that still wait for room in its queue. */
  #send(command: EngineCommand): void {
    if (this.#stopped) return;
    this.#waiting.push(command);
    if (this.#waiting.length === 1) this.#flush();
  }

  #flush(): void {
    for (let next = this.#waiting[0]; next && !this.#stopped; next = this.#waiting[0]) {
      if (!this.#node.command(next)) {
        setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
      this.#waiting.shift();
    }
  }

  #hear(event: EngineEvent, listener: EngineListener): void {
    switch (event.kind) {
      case 'control':
        listener.control(event);
        break;
      case 'log':
        listener.log(event.entry);
        break;
      case 'done':
        this.#settle(event.query, undefined, event.refusal);
        break;
      case 'described':
        this.#settle(event.query, event.description, event.refusal);
        break;
      case 'commits':
        this.#settle(event.query, event.commits, event.refusal);
        break;
      case 'drained':
        this.#isDrained = true;
        for (const resolve of this.#drained.splice(0)) resolve();
        break;
    }
  }

  #settle(query: number, value: unknown, refusal: Refusal | undefined): void {
    const pending = this.#pending.get(query);
    this.#pending.delete(query);
    if (refusal) pending?.reject(new EngineRefusal(refusal));
    else pending?.resolve(value);
  }
}

/** By how much the control plane's threads are nicer than the engine's: a tenth of the time that an engine's thread gets. */
const NICER = 10;

/**
 * What they ask for as a turn on a CPU, ns: the longest there is. By itself the kernel gives every thread a few ms, so an agent that
 * wakes may have to wait until a collecting one has had its turn; one that asks for less goes first (Linux 6.12).
 */
const LONGEST_TURN = 100_000_000;

/**
 * Recovers the data directory and serves. With a placement, all threads of this process move off the agents' cores first, and what starts
 * later inherits that (design section 1); `moved` is how many there are. With or without, threads that are not the engine's give way
 * to it from then on: where CPUs are short, a garbage collection costs the control plane its time and not the acks theirs. Throws
 * EngineError with the engine's code when it does not start.
 */
export async function startEngine(
  config: EngineConfig,
  listener: EngineListener,
): Promise<{ engine: Engine; started: Started; moved: number }> {
  const others = config.placement?.others ?? [];
  if (others.length > 0) addon().moveThreads(ownThreads(), others);
  const engine = new NativeEngine(listener);
  const started = await engine.start(config);
  const moved = others.length > 0 ? keepOff(started, others) : 0;
  giveWay();
  return { engine, started, moved };
}

/** Ids of all threads of this process. */
function ownThreads(): number[] {
  return readdirSync('/proc/self/task').map(Number);
}

/** Makes the threads of this process that are not the engine's, and those that they start, nicer, and their turns long. */
function giveWay(): void {
  const nice = Math.min(getPriority() + NICER, constants.priority.PRIORITY_LOW);
  for (const id of ownThreads()) {
    try {
      const name = readFileSync(`/proc/self/task/${id}/comm`, 'utf8');
      // The kernel's workers for an agent's ring are that agent.
      if (/^(lance|iou)-/.test(name)) continue;
      addon().lengthenTurns([id], LONGEST_TURN);
      setPriority(id, nice);
    } catch {
      // It has ended meanwhile, or may not be asked: then it runs on as it did.
    }
  }
}

/** Moves who was just being started meanwhile. Returns how many threads are on `others`. */
function keepOff({ runners }: Started, others: readonly number[]): number {
  const { allowedCpus, moveThreads } = addon();
  const agents = new Set(runners.map(({ id }) => id));
  const wanted = others.join();
  const rest = ownThreads().filter((id) => !agents.has(id));
  const stray = rest.filter((id) => allowedCpus(id).join() !== wanted);
  moveThreads(stray, [...others]);
  return rest.filter((id) => allowedCpus(id).join() === wanted).length;
}

/** With a capital and a full stop, as errors are shown. */
function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function stopped(): EngineError {
  return new EngineError('The engine has stopped.', { code: 'ENGINE_STOPPED' });
}
