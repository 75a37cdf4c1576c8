import { type Applied, applyPlan } from './apply/apply.js';
import { changesOf } from './apply/changes.js';
import { type Checked, checkPlan } from './apply/check.js';
import { lockRoot } from './apply/lock.js';
import { type Reverted, revert } from './apply/revert.js';
import { TopologyError } from './errors.js';
import { readSnapshot } from './snapshot.js';
import { isLive, type Survey, type SurveyRequest, survey } from './survey.js';

/** A survey and what was done, or would be done, about it. */
export interface Steered extends Survey {
  readonly applied: Applied;
}

function requireRoot(root: string, flag: string): void {
  if (!isLive(root) || process.geteuid?.() === 0) return;
  throw new TopologyError(
    'NEEDS_ROOT',
    `${flag} steers this machine's interrupts and needs root`,
    `sudo lance topology ${flag}`,
  );
}

/** What `--apply` would write, without a lock, a journal or a write. */
export function previewApply(request: SurveyRequest): Steered {
  const found = survey(request);
  const changes = changesOf(found.plan, found.tree);
  const applied: Applied = {
    changed: changes.map(({ path, was, to }) => ({ path, from: was.trim(), to })),
    unchanged: found.plan.irqs.length + found.plan.queues.length - changes.length,
    findings: [],
  };
  return { ...found, applied };
}

/** Surveys, shows, and applies just that under the machine's lock. Raises NEEDS_ROOT, BUSY and what applyPlan raises; `signal` rolls back. */
export async function apply(
  request: SurveyRequest,
  signal: AbortSignal,
  show: (found: Survey) => void = () => {},
): Promise<Steered> {
  requireRoot(request.root, '--apply');
  const release = await lockRoot(requireMachine(request.root));
  try {
    const found = survey(request);
    show(found);
    const applied = await applyPlan({
      root: request.root,
      plan: found.plan,
      tree: found.tree,
      bootId: found.machine.system.bootId,
      options: {
        ...(request.nic === undefined ? {} : { nic: request.nic }),
        ...(request.dataDir === undefined ? {} : { dataDir: request.dataDir }),
      },
      now: Math.floor(Date.now() / 1000),
      signal,
    });
    return { ...found, applied };
  } finally {
    release();
  }
}

/** Puts back what was, under the machine's lock. Raises NEEDS_ROOT, BUSY and what revert raises. */
export async function revertAll(root: string, dryRun: boolean): Promise<Reverted> {
  if (!dryRun) requireRoot(root, '--revert');
  const bootId = readSnapshot(root).text('proc/sys/kernel/random/boot_id') ?? null;
  const release = await lockRoot(root);
  try {
    return revert({ root, bootId, dryRun });
  } finally {
    release();
  }
}

/** Compares the machine with the plan. Flags that were given to `--apply` count again where the request leaves them out. */
export function check(request: SurveyRequest): Survey & { readonly checked: Checked } {
  const first = survey(request);
  const kept = first.journal?.options;
  let again = first;
  try {
    if (kept !== undefined) {
      again = survey({ ...request, nic: request.nic ?? kept.nic, dataDir: request.dataDir ?? kept.dataDir });
    }
  } catch (error) {
    // The NIC of then is gone; what the journal says was applied to it is still compared.
    if (!(error instanceof TopologyError) || error.code !== 'NO_SUCH_NIC') throw error;
  }
  return { ...again, checked: checkPlan(again.plan, again.tree, again.journal) };
}

/** The lock needs a directory that is there; anything else is said by the snapshot's own error. */
function requireMachine(root: string): string {
  readSnapshot(root);
  return root;
}
