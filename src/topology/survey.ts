import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Journal, JournalFile } from './apply/journal.js';
import { discover } from './discover/index.js';
import { TopologyError } from './errors.js';
import { byGravity, findingsFor } from './findings/index.js';
import { servingFindings } from './findings/serving.js';
import { type Finding, finding } from './findings/types.js';
import type { Machine } from './machine.js';
import { planFor } from './plan/index.js';
import { requireTargets } from './plan/targets.js';
import type { Plan, PlanRequest } from './plan/types.js';
import { readSnapshot } from './snapshot.js';
import type { FactTree } from './tree.js';

/** What a person or the configuration asks about; see PlanRequest for what is left out. */
export interface SurveyRequest {
  readonly root: string;
  /** `--nic`: a name or PCI address that must exist. */
  readonly nic?: string | undefined;
  /** `--data-dir` or a `node.data_dir` that somebody set; undefined where it is only the default. */
  readonly dataDir?: string | undefined;
  /** From lance.toml: what does not exist here becomes a finding, and the plan does without it. */
  readonly config?: {
    readonly nicPciAddr?: string | undefined;
    readonly nicNode?: number | undefined;
    readonly nvmeNode?: number | undefined;
    readonly numa?: boolean | undefined;
    readonly layout?: PlanRequest['layout'];
    readonly replicated?: boolean | undefined;
    /** `numa.enabled`, and `numa.pin` = always: whether `lance serve` would follow the plan. */
    readonly pin?: { readonly enabled: boolean; readonly always: boolean } | undefined;
  };
  /** Where the data would lie by default; the working directory's on this machine, /var/lib/lance elsewhere. */
  readonly defaultDataDir: string;
}

/** A machine as it is now, with what is wrong with it and where everything belongs. */
export interface Survey {
  readonly root: string;
  /** Whether this is the machine we run on. */
  readonly live: boolean;
  readonly tree: FactTree;
  readonly machine: Machine;
  readonly plan: Plan;
  readonly findings: readonly Finding[];
  /** The journal of this boot, where an `--apply` left one. */
  readonly journal: Journal | undefined;
}

/** Whether `root` is the running machine's own. */
export function isLive(root: string): boolean {
  try {
    return realpathSync(root) === '/';
  } catch {
    return false;
  }
}

/** The path with its links resolved as far as it exists. */
function realDirectory(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute
      ? absolute
      : resolve(realDirectory(parent), absolute.slice(parent.length).replace(/^\//, ''));
  }
}

/**
 * Reads the machine below `root` and plans for it. Raises NOT_A_MACHINE, NO_SUCH_NIC (for `nic` alone), and DENIED or JOURNAL_BAD where
 * a journal is there and cannot be read.
 */
export function survey(request: SurveyRequest): Survey {
  const live = isLive(request.root);
  const tree = readSnapshot(request.root);
  const wanted = request.dataDir ?? request.defaultDataDir;
  const machine = discover(tree, live ? realDirectory(wanted) : resolve('/', wanted));
  const kept = new JournalFile(request.root).read();
  const journal = kept !== undefined && kept.bootId === machine.system.bootId ? kept : undefined;
  const findings: Finding[] = [];
  if (kept !== undefined && journal === undefined) {
    const advice = 'nothing to do: the next --apply moves it aside';
    findings.push(
      finding(
        'other-boot',
        'info',
        'the journal of an --apply is from another boot, which has reset all affinities',
        advice,
      ),
    );
  }
  const config = usable(machine, request, findings);
  const plan = planFor(machine, { ...config, immovable: journal?.refused.map(({ irq }) => irq) });
  if (journal?.state === 'applying') {
    findings.push(
      finding(
        'half-applied',
        'critical',
        'an --apply was cut off half-way: some interrupts are moved, others are not',
        '`lance topology --apply` finishes it, `--revert` undoes it',
      ),
    );
  }
  findings.push(...findingsFor(machine, plan, config));
  const { pin } = request.config ?? {};
  if (pin !== undefined) findings.push(...servingFindings({ machine, plan, request: config }, pin));
  return { root: request.root, live, tree, machine, plan, findings: byGravity(findings), journal };
}

/** The request without what this machine lacks; each such thing is a finding. A NIC named on the command line must exist. */
function usable(machine: Machine, request: SurveyRequest, findings: Finding[]): PlanRequest {
  const { nicPciAddr, nicNode, nvmeNode, numa, layout, replicated } = request.config ?? {};
  if (request.nic !== undefined) requireTargets(machine, { nic: request.nic });
  const known = (targets: Parameters<typeof requireTargets>[1]): boolean => {
    try {
      requireTargets(machine, targets);
      return true;
    } catch (error) {
      if (!(error instanceof TopologyError)) throw error;
      findings.push(
        finding(
          'config',
          'warning',
          `lance.toml: ${error.message}; \`lance serve\` will refuse it`,
          error.hint ?? 'correct it',
        ),
      );
      return false;
    }
  };
  return {
    nic: request.nic ?? (nicPciAddr !== undefined && known({ nic: nicPciAddr }) ? nicPciAddr : undefined),
    nicNode: nicNode !== undefined && known({ nicNode }) ? nicNode : undefined,
    nvmeNode: nvmeNode !== undefined && known({ nvmeNode }) ? nvmeNode : undefined,
    dataDirGiven: request.dataDir !== undefined || isLive(request.root),
    numa,
    layout,
    replicated,
  };
}
