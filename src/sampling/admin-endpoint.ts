import { decodeSample } from './document.js';
import type { RawSample } from './raw.js';
import type { Observation, Source } from './source.js';

const STALE_NS = 5_000_000_000n;

/** Asks a node's admin endpoint for `GET /v1/top`. */
export class AdminEndpoint implements Source {
  #topic: number | undefined;
  /** The last event that was told, and of which process. */
  #told: { startNs: bigint | undefined; number: number } = { startNs: undefined, number: -1 };

  /** `host:port`. */
  constructor(
    readonly name: string,
    private readonly patienceMs = 2_000,
  ) {}

  focus(topic: number | undefined): void {
    this.#topic = topic;
  }

  async observe(): Promise<Observation> {
    const query = new URLSearchParams({ since: String(this.#told.number) });
    if (this.#topic !== undefined) query.set('topic', String(this.#topic));
    const answer = await askTop(this.name, `?${query}`, this.patienceMs);
    if (typeof answer === 'string') return { kind: 'unreachable', atMs: Date.now(), reason: answer };
    const { counters, atMs } = answer;
    this.#note(answer);
    const hangs =
      counters !== undefined && BigInt(Math.round(atMs)) * 1_000_000n - counters.heartbeatNs > STALE_NS;
    return { kind: 'sample', sample: answer, presence: hangs ? 'hanging' : 'serving', notes: [] };
  }

  #note({ counters, events }: RawSample): void {
    const startNs = counters?.startNs;
    // Another process counts its events from 0: the next answer tells them all.
    if (startNs !== this.#told.startNs && this.#told.number >= 0) this.#told = { startNs, number: -1 };
    else this.#told = { startNs, number: events.at(-1)?.number ?? this.#told.number };
  }
}

/** One `GET /v1/top`; where that fails, why, in words that follow "cannot be reached: ". */
export async function askTop(
  address: string,
  query: string,
  patienceMs: number,
): Promise<RawSample | string> {
  let text: string;
  try {
    const answer = await fetch(`http://${address}/v1/top${query}`, {
      signal: AbortSignal.timeout(patienceMs),
    });
    if (answer.status === 404) return 'it answers, but has no /v1/top: an older lance, or something else';
    if (!answer.ok) return `it answers with status ${answer.status}`;
    text = await answer.text();
  } catch (error) {
    return reasonOf(error, patienceMs);
  }
  try {
    const sample = decodeSample(JSON.parse(text));
    return typeof sample === 'string' ? `its answer is not as expected (${sample})` : sample;
  } catch {
    return 'its answer is no JSON';
  }
}

function reasonOf(error: unknown, patienceMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${patienceMs / 1000} s`;
  const cause = error.cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'the connection was closed',
    UND_ERR_SOCKET: 'the connection was closed',
    ENOTFOUND: 'the host name is unknown',
    EHOSTUNREACH: 'no route to the host',
    ETIMEDOUT: 'connecting timed out',
  };
  return known[code] ?? (cause instanceof Error ? cause.message : error.message);
}
