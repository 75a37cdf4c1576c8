import type { CpuSet } from '../cpuset.js';

/** What runs on a core: the agents of design.md section 3, and `control` for Node's threads and everything else. */
export type Role = 'network' | 'ingest' | 'io' | 'replication' | 'control';

/** What the configuration asks of the plan; everything may be left out. */
export interface PlanRequest {
  /** Interface name or PCI address; the interface of the default route unless told. */
  readonly nic?: string | undefined;
  /** False where nobody said which directory holds the data, so that a better device than the one behind it may be meant. */
  readonly dataDirGiven?: boolean | undefined;
  /** `numa.nic_node` and `numa.nvme_node`: they win over what the machine says. */
  readonly nicNode?: number | undefined;
  readonly nvmeNode?: number | undefined;
  /** `numa.enabled`: false places agents without regard to nodes. */
  readonly numa?: boolean | undefined;
  /** `runtime.layout`. */
  readonly layout?: 'auto' | 'shared' | 'dedicated' | undefined;
  /** How many agents the engine can start of each kind; one unless told. */
  readonly most?: { readonly network: number; readonly ingest: number; readonly io: number } | undefined;
  readonly networkAgents?: number | undefined;
  readonly ingestAgents?: number | undefined;
  /** Whether the node has peers and so a ReplicationAgent. */
  readonly replicated?: boolean | undefined;
  /** IRQs that the kernel has refused to move before, whatever their name says. */
  readonly immovable?: readonly number[] | undefined;
}

export interface PlannedThread {
  readonly role: Role;
  readonly cpu: number;
  readonly node: number | null;
  /** The port a network agent serves or the device an I/O agent writes to; null where there is none. */
  readonly device: string | null;
}

/** An IRQ's requested affinity before and after, as CPU lists. */
export interface PlannedIrq {
  readonly irq: number;
  readonly device: string;
  readonly queue: number | null;
  readonly from: string;
  readonly to: string;
}

/** A queue's steering file before and after, as the kernel writes masks. */
export interface PlannedQueue {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

/** Where everything belongs. A pure function of machine and request, and the same again once it has been applied. */
export interface Plan {
  readonly layout: 'shared' | 'dedicated';
  readonly threads: readonly PlannedThread[];
  readonly irqs: readonly PlannedIrq[];
  readonly queues: readonly PlannedQueue[];
  /** Ports whose queues are steered and devices the I/O agents write to. */
  readonly nics: readonly string[];
  readonly storage: readonly string[];
  readonly agentCpus: CpuSet;
  /** CPUs left for Node, the kernel and all other interrupts. */
  readonly housekeeping: CpuSet;
}
