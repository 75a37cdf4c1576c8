import { climb } from './ladder.js';
import type { Observer } from './observer.js';
import type { BenchOptions, ProduceScenario } from './options.js';
import { load } from './produce.js';
import type { BenchResult, Run } from './result.js';
import {
  assemble,
  begin,
  checkRuns,
  Floors,
  inSession,
  type Session,
  settle,
  topicLimit,
  withNode,
} from './session.js';
import { createTopics } from './topics.js';

/** `lance bench ingest` and `latency`: loads a node, as often as the options say, with floors in turns. Throws BenchError. */
export function benchProduce(
  scenario: ProduceScenario,
  options: BenchOptions & { ladder?: boolean },
  observer: Observer,
  signal: AbortSignal,
): Promise<BenchResult> {
  return inSession(options, observer, signal, async (session) => {
    const began = begin();
    const runs: Run[] = [];
    const floors = new Floors(session, { appending: true });
    let ladder: Awaited<ReturnType<typeof climb>> | undefined;
    for (let number = 0; number < options.repeat && !signal.aborted; number += 1) {
      // A fresh node each time: the one before has left its journal and its segments warm.
      await withNode(session, async (node) => {
        const topics = await createTopics(node.endpoint, {
          count: options.topics,
          durability: options.durability,
          maxBytes: topicLimit(session),
        });
        const request = { scenario, node, topicIds: topics.range, options };
        try {
          runs.push(await oneRun(session, request, number));
          if (options.ladder && number === 0 && !signal.aborted)
            ladder = await climb(request, observer, signal);
        } finally {
          if (options.endpoint) await topics.remove();
        }
      });
      if (runs.at(-1)?.broken) break;
      await settle(signal);
      await floors.measure();
    }
    const result = { ...assemble(session, scenario, began, runs, floors.result()), ...ladder };
    checkRuns(result);
    return result;
  });
}

function oneRun(
  { options, observer, signal }: Session,
  request: Parameters<typeof load>[0],
  number: number,
): Promise<Run> {
  const which = options.repeat > 1 ? ` ${number + 1} of ${options.repeat}` : '';
  observer.part(`${request.scenario}${which}`, (options.durationMs + options.warmupMs) / 1000);
  return load(request, observer, signal);
}

/** `lance bench floor`: the machine alone. `--duration` is for all of it. */
export function benchFloor(
  options: BenchOptions,
  observer: Observer,
  signal: AbortSignal,
): Promise<BenchResult> {
  const floorAlone = { ...options, floor: true };
  return inSession(floorAlone, observer, signal, async (session) => {
    const began = begin();
    const floors = new Floors(session, { reading: true, appending: true });
    for (let number = 0; number < options.repeat && !signal.aborted; number += 1) await floors.measure();
    const result = assemble(session, 'floor', began, [], floors.result());
    return { ...result, seconds: options.durationMs / 1000 };
  });
}
