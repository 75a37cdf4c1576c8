import type { CpuSet } from './cpuset.js';

/** One logical CPU. `core` numbers the physical core: CPUs with the same `core` are SMT siblings. Null where the kernel does not say. */
export interface Cpu {
  readonly id: number;
  readonly node: number | null;
  readonly core: number | null;
  readonly package: number | null;
  readonly online: boolean;
  /** Named by `isolcpus`: nothing runs there unless it is put there. */
  readonly isolated: boolean;
  /** Whether this process may run there at all (control group, affinity). */
  readonly allowed: boolean;
  readonly siblings: CpuSet;
  readonly caches: readonly Cache[];
  readonly governor: string | null;
}

export interface Cache {
  readonly level: number;
  readonly type: string;
  readonly kib: number | null;
  readonly sharedBy: CpuSet;
}

export interface NumaNode {
  readonly id: number;
  /** Online CPUs of the node. */
  readonly cpus: CpuSet;
  readonly memoryBytes: number;
  /** The kernel's distance to every online node, in their order. */
  readonly distances: readonly number[];
}

/** Which queue of its device a vector serves; `admin` is an NVMe controller's queue 0. */
export interface VectorQueue {
  readonly kind: 'rx' | 'tx' | 'rxtx' | 'io' | 'admin';
  readonly index: number;
}

export interface Irq {
  readonly irq: number;
  /** What asked for it, as /proc/interrupts names it; several share a line with commas between. */
  readonly name: string;
  /** Requested affinity, null where it could not be read or understood. */
  readonly affinity: CpuSet | null;
  /** Where the kernel delivers it now; null where it does not say. Follows a move only at the next interrupt. */
  readonly effective: CpuSet | null;
  /** The kernel owns its affinity and refuses to change it (EIO). */
  readonly managed: boolean;
  /** The NIC, controller or disk it belongs to, where known. */
  readonly device: string | null;
  readonly queue: VectorQueue | null;
  /** Interrupts delivered so far, all CPUs together; null where /proc/interrupts does not list it. */
  readonly count: number | null;
}

/** A steering file of one NIC queue: `rps_cpus` of a receive queue or `xps_cpus` of a transmit queue. */
export interface QueueMask {
  readonly path: string;
  readonly kind: 'rps' | 'xps';
  readonly queue: number;
  /** As the kernel printed it, for instance `00000000,0000000f`. */
  readonly text: string;
}

export interface Nic {
  readonly name: string;
  readonly kind: 'port' | 'bond' | 'vlan' | 'bridge';
  readonly pci: string | null;
  readonly node: number | null;
  readonly driver: string | null;
  readonly speedMbps: number | null;
  readonly up: boolean;
  readonly rxQueues: number;
  readonly txQueues: number;
  readonly irqs: readonly Irq[];
  readonly masks: readonly QueueMask[];
  /** The physical ports below a bond, VLAN or bridge, through any number of layers; itself for a port. */
  readonly ports: readonly string[];
  /** Whether the default route leaves through it. */
  readonly defaultRoute: boolean;
}

/** A hardware queue of a block device and the CPUs whose requests go through it. */
export interface HardwareQueue {
  readonly index: number;
  readonly cpus: CpuSet;
}

export interface NvmeController {
  readonly name: string;
  readonly pci: string | null;
  readonly node: number | null;
  readonly model: string | null;
  readonly transport: string | null;
  readonly namespaces: readonly string[];
  readonly hardwareQueues: readonly HardwareQueue[];
  readonly irqs: readonly Irq[];
}

/** A block device that is no NVMe namespace, under its true kind: `virtio`, `scsi`, `md`, `dm`, `loop`... */
export interface Disk {
  readonly name: string;
  readonly kind: string;
  readonly pci: string | null;
  readonly node: number | null;
  readonly scheduler: string | null;
  readonly hardwareQueues: readonly HardwareQueue[];
  readonly irqs: readonly Irq[];
}

/** What stands behind the data directory: from the file system down to the controllers. */
export interface DataPath {
  readonly dir: string;
  readonly mountPoint: string | null;
  readonly fileSystem: string | null;
  /** Block devices from the mounted one down, for instance `dm-0 (data-lance)`, `md0`, `nvme0n1p1`. */
  readonly layers: readonly string[];
  /** Names of NVMe controllers and other disks at the bottom. */
  readonly devices: readonly string[];
  /** Why nothing was found, null where something was. */
  readonly reason: string | null;
}

/** A facility that is there, is not, or cannot be told from here, with the reason. */
export interface Availability {
  readonly available: boolean | null;
  readonly reason: string;
}

export interface SystemFacts {
  readonly hostname: string | null;
  readonly kernel: string | null;
  readonly arch: string | null;
  readonly cpuModel: string | null;
  readonly bootId: string | null;
  readonly memoryBytes: number | null;
  readonly ioUring: Availability;
  /** RLIMIT_MEMLOCK, soft, in bytes; null is unlimited. Undefined where it could not be read. */
  readonly memlockBytes: number | null | undefined;
  /** CAP_IPC_LOCK: locked memory is not limited. */
  readonly mayLockMemory: boolean | null;
  readonly hugePages: readonly { readonly kib: number; readonly total: number; readonly free: number }[];
  readonly transparentHugePages: string | null;
  /** Free memory is given back to the host, from this many pages in a row on; null where it stays here, or it is not told. */
  readonly freePagesReportedFrom: number | null;
  readonly clockSource: string | null;
  readonly clockSources: readonly string[];
  readonly governor: string | null;
  readonly smt: boolean;
  readonly nohzFull: CpuSet;
  readonly numaBalancing: boolean | null;
  readonly schedRtRuntimeUs: number | null;
  /** Share of the CPU time wanted since boot that the host gave to others (steal); null where it is not told. */
  readonly stolen: number | null;
  /** Container by its mounts or control group; the text says what gave it away. */
  readonly container: string | null;
  /** CPUs' worth of time the control groups grant; null is no quota. */
  readonly cpuQuota: number | null;
  readonly memoryLimitBytes: number | null;
  readonly cpuset: CpuSet | null;
  /** Whether /proc/sys and /proc/irq may be written, by their mount options; null where mounts are not listed. */
  readonly procWritable: boolean | null;
}

/** All that is known of a machine; the plan and the findings are functions of this. */
export interface Machine {
  readonly system: SystemFacts;
  readonly cpus: readonly Cpu[];
  readonly nodes: readonly NumaNode[];
  readonly nics: readonly Nic[];
  readonly nvme: readonly NvmeController[];
  readonly disks: readonly Disk[];
  /** Every IRQ with a directory in /proc/irq or a line in /proc/interrupts, devices' and others'. */
  readonly irqs: readonly Irq[];
  readonly irqbalance: { readonly running: boolean; readonly pid: number | null };
  readonly dataPath: DataPath | null;
  /** What could not be read or understood; discovery went on without it. */
  readonly problems: readonly { readonly path: string; readonly problem: string }[];
}
