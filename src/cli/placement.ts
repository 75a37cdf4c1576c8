import { resolve } from 'node:path';
import type { Examined } from '../config/index.js';
import type { NodePlacement } from '../server/index.js';
import { checkPlan } from '../topology/apply/check.js';
import { TopologyError } from '../topology/errors.js';
import { requireTargets, seatingFor } from '../topology/index.js';
import { survey } from '../topology/survey.js';

/**
 * What a node is granted of this machine, by its configuration. Throws TopologyError NO_SUCH_NIC or NO_SUCH_NODE where it names what is not
 * there; any other trouble with the machine leaves threads and memory to the system, with the reason.
 */
export function placeNode({ config, origins }: Examined): NodePlacement {
  const { numa, network, runtime, node } = config;
  const nothing = (reason: string): NodePlacement => ({ granted: undefined, reason, drifted: undefined });
  if (!numa.enabled) return nothing('numa.enabled is false');
  const targets = { nic: network.nicPciAddr, nicNode: numa.nicNode, nvmeNode: numa.nvmeNode };
  try {
    const { machine, plan, tree, journal } = survey({
      root: '/',
      dataDir: origins.get('node.data_dir')?.kind === 'default' ? undefined : node.dataDir,
      defaultDataDir: resolve(node.dataDir),
      config: {
        nicPciAddr: targets.nic,
        nicNode: targets.nicNode,
        nvmeNode: targets.nvmeNode,
        numa: true,
        layout: runtime.layout,
      },
    });
    requireTargets(machine, targets);
    const seating = seatingFor(machine, plan, { always: numa.pin === 'always' });
    if (seating.agents === undefined) return nothing(seating.reason);
    const { agents, cores, others } = seating;
    return {
      granted: { agents: [...agents], cores, others: [...others], fifo: runtime.scheduling === 'fifo' },
      reason: undefined,
      drifted: checkPlan(plan, tree, journal).drift.length,
    };
  } catch (error) {
    if (!(error instanceof TopologyError) || error.code.startsWith('NO_SUCH_')) throw error;
    return nothing(`the machine could not be read (${error.message})`);
  }
}
