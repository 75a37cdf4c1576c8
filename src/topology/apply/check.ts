import { type Finding, finding } from '../findings/types.js';
import type { Plan } from '../plan/types.js';
import type { FactTree } from '../tree.js';
import { holds, steeringFiles } from './changes.js';
import type { Journal } from './journal.js';

/** A steering file that does not hold what plan or journal say it should. */
export interface Drift {
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
}

/** What `--check` found. */
export interface Checked {
  readonly drift: readonly Drift[];
  readonly findings: readonly Finding[];
}

/**
 * Compares the machine with the plan, and with what the journal of this boot says was applied. Requested affinity decides; where an
 * interrupt is delivered meanwhile is the finding `lagging`. Pure.
 */
export function checkPlan(plan: Plan, tree: FactTree, journal: Journal | undefined): Checked {
  const drift = new Map<string, Drift>();
  const findings: Finding[] = [];
  for (const { path, was, to, twin } of steeringFiles(plan, tree)) {
    if (!holds(path, was, to)) drift.set(path, { path, expected: to, actual: was.trim() });
    else if (twin !== null && !holds(twin.path, twin.was, twin.to))
      drift.set(twin.path, { path: twin.path, expected: twin.to, actual: twin.was.trim() });
  }
  for (const { path, to } of journal?.entries ?? []) {
    if (drift.has(path) || drift.has(`${path}_list`)) continue;
    const is = tree.raw(path);
    if (is === undefined)
      findings.push(
        finding(
          'irq-gone',
          'info',
          `${path} was steered and is gone`,
          'run --apply again if its device came back under another number',
        ),
      );
    else if (!holds(path, is, to) && !planned(plan, path))
      drift.set(path, { path, expected: to, actual: is.trim() });
  }
  return { drift: [...drift.values()], findings };
}

/** Whether the plan itself speaks of this file: then the plan decides, not an older journal. */
function planned(plan: Plan, path: string): boolean {
  const irq = /^\/proc\/irq\/(\d+)\//.exec(path)?.[1];
  return irq === undefined
    ? plan.queues.some((queue) => queue.path === path)
    : plan.irqs.some((known) => known.irq === Number(irq));
}
