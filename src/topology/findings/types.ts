import type { Machine } from '../machine.js';
import type { Plan, PlanRequest } from '../plan/types.js';

export type Severity = 'critical' | 'warning' | 'info';

/** Something about the machine that an operator should know, with what to do about it. */
export interface Finding {
  /** A stable word for tests and filters; not part of the JSON. */
  readonly id: string;
  readonly severity: Severity;
  /** What is so: one line. */
  readonly what: string;
  /** What to do about it: one line. */
  readonly advice: string;
  /** Whether it can be done on this machine, from here. */
  readonly supported: boolean;
  /** Why it cannot be done; null where it can. */
  readonly reason: string | null;
}

/** What the checks look at. */
export interface Subject {
  readonly machine: Machine;
  readonly plan: Plan;
  readonly request: PlanRequest;
}

/** A finding that can be acted on here. */
export function finding(id: string, severity: Severity, what: string, advice: string): Finding {
  return { id, severity, what, advice, supported: true, reason: null };
}

/** A finding that cannot be acted on here, and why. */
export function unsupported(
  id: string,
  severity: Severity,
  what: string,
  advice: string,
  reason: string,
): Finding {
  return { id, severity, what, advice, supported: false, reason };
}
