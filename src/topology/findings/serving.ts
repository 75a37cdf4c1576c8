import { seatingFor } from '../placement.js';
import { type Finding, finding, type Subject, unsupported } from './types.js';

/** Whether `lance serve` would put its threads and memory where the plan has them, and if not why. */
export function servingFindings(
  { machine, plan }: Subject,
  { enabled, always }: { readonly enabled: boolean; readonly always: boolean },
): Finding[] {
  const seating = seatingFor(machine, plan, { always });
  const what = '`lance serve` leaves its threads and memory to the system';
  if (seating.reason !== undefined)
    return [unsupported('not-pinned', 'info', what, 'give it a machine with more cores', seating.reason)];
  if (enabled) return [];
  return [
    finding(
      'not-pinned',
      'info',
      `${what}: numa.enabled is false`,
      'set numa.enabled = true in lance.toml, and it pins and binds them as planned',
    ),
  ];
}
