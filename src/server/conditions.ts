/** Everything that may be wrong with a node, as `/readyz` and `lance_conditions` name it (docs/operations.md). */
export const CONDITION_CODES = [
  'DRAINING',
  'DISK_FULL',
  'JOURNAL_FAILED',
  'ENGINE_HANGS',
  'COUNTERS_UNREADABLE',
  'TOPIC_FROZEN',
  'DAMAGE',
] as const;

/** A stable word for machines. */
export type ConditionCode = (typeof CONDITION_CODES)[number];

/** Something that is wrong with a node, for `/readyz`. */
export interface Condition {
  code: ConditionCode;
  /** One sentence for people. */
  message: string;
  /** When it began, seconds since 1970. */
  sinceAt: number;
}

/** What is wrong now, in the order in which it began. */
export class Conditions {
  readonly #raised = new Map<string, { topic: number | undefined; condition: Condition }>();

  /** `clock` gives seconds since 1970; a test brings another. */
  constructor(private readonly clock: () => number = seconds) {}

  /**
   * Notes that something is wrong; what was so already keeps its time. `topic` tells several of one code apart,
   * `sinceAt` (s) is for what began before it was noticed.
   */
  raise(
    code: ConditionCode,
    message: string,
    { topic, sinceAt }: { topic?: number; sinceAt?: number } = {},
  ): void {
    const key = `${code}/${topic ?? ''}`;
    const began = this.#raised.get(key)?.condition.sinceAt ?? sinceAt ?? this.clock();
    this.#raised.set(key, { topic, condition: { code, message, sinceAt: began } });
  }

  /** Notes that it is over; nothing where it was not so. */
  clear(code: ConditionCode): void {
    this.#raised.delete(`${code}/`);
  }

  /** What is wrong, without what concerns topics that `has` does not know any more. */
  list(has: (topic: number) => boolean = () => true): Condition[] {
    return [...this.#raised.values()]
      .filter(({ topic }) => topic === undefined || has(topic))
      .map(({ condition }) => condition);
  }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
