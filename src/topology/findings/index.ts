import type { Machine } from '../machine.js';
import type { Plan, PlanRequest } from '../plan/types.js';
import { cpuFindings, deviceFindings, irqFindings } from './placement.js';
import { problemFindings, systemFindings } from './system.js';
import type { Finding, Severity } from './types.js';

const ORDER: readonly Severity[] = ['critical', 'warning', 'info'];

/** What an operator should know of this machine before running LANCE on it, the gravest first. Pure. */
export function findingsFor(machine: Machine, plan: Plan, request: PlanRequest = {}): Finding[] {
  const subject = { machine, plan, request };
  const checks = [deviceFindings, cpuFindings, irqFindings, systemFindings, problemFindings];
  return byGravity(checks.flatMap((check) => check(subject)));
}

/** The gravest first; those alike in their order. */
export function byGravity(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
}
