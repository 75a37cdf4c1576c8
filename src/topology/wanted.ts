/**
 * The files a snapshot reads, as globs below the root (`*` within one part, `{a,b}` alternatives, `#` digits only).
 * A trailing `/` asks for the directory's names only. Serial numbers, MAC and IP addresses are left out on purpose:
 * snapshots travel in support bundles.
 */
export const WANTED: readonly string[] = [
  // CPUs, caches, nodes
  'sys/devices/system/cpu/{online,offline,present,possible,isolated,nohz_full}',
  'sys/devices/system/cpu/smt/{active,control}',
  'sys/devices/system/cpu/cpu#/online',
  'sys/devices/system/cpu/cpu#/topology/{core_id,physical_package_id,thread_siblings_list,core_cpus_list,cluster_id}',
  'sys/devices/system/cpu/cpu#/cache/index#/{level,type,size,shared_cpu_list}',
  'sys/devices/system/cpu/cpu#/cpufreq/{scaling_governor,scaling_driver}',
  'sys/devices/system/cpu/cpufreq/policy#/{scaling_governor,scaling_driver,affected_cpus}',
  'sys/devices/system/cpu/cpu#/node#',
  'sys/devices/system/node/{online,possible,has_cpu,has_memory}',
  'sys/devices/system/node/node#/{cpulist,cpumap,meminfo,distance}',
  'sys/devices/system/node/node#/hugepages/*/{nr_hugepages,free_hugepages}',
  'sys/devices/system/clocksource/clocksource0/{current_clocksource,available_clocksource}',
  // kernel and limits
  'proc/{cpuinfo,interrupts,meminfo,cmdline,version,stat}',
  'proc/sys/kernel/{osrelease,hostname,io_uring_disabled,numa_balancing,sched_rt_runtime_us,timer_migration}',
  'proc/sys/kernel/random/boot_id',
  'proc/sys/{fs/aio-max-nr,net/core/busy_poll,net/core/busy_read,net/core/somaxconn,vm/swappiness}',
  'proc/self/{status,limits,cgroup,mountinfo}',
  'proc/net/route',
  'proc/net/vlan/config',
  'sys/kernel/mm/transparent_hugepage/{enabled,defrag}',
  'sys/kernel/mm/hugepages/*/{nr_hugepages,free_hugepages}',
  'sys/module/page_reporting/parameters/page_reporting_order',
  // interrupts
  'proc/irq/#/{smp_affinity,smp_affinity_list,effective_affinity,effective_affinity_list,node}',
  'sys/kernel/irq/#/{actions,chip_name,hwirq,type}',
  'sys/kernel/debug/irq/irqs/#',
  // devices
  'sys/bus/pci/devices/*/{numa_node,local_cpulist,irq,class,vendor,device,driver,uevent,msi_irqs/}',
  'sys/class/net/*/{speed,operstate,type,ifindex,master,device,lower_*,uevent,numa_node}',
  'sys/class/net/*/bonding/{slaves,mode}',
  'sys/class/net/*/{brif,bridge}/',
  'sys/class/net/*/queues/{rx,tx}-#/{rps_cpus,xps_cpus}',
  'sys/class/net/*/device/{numa_node,local_cpulist,driver,uevent,irq,msi_irqs/}',
  'sys/class/nvme/nvme#/{model,address,transport,numa_node,queue_count,state,subsysnqn,device,nvme*n#}',
  'sys/class/nvme/nvme#/device/{numa_node,local_cpulist,driver,uevent,irq,msi_irqs/}',
  'sys/class/nvme-subsystem/*/nvme#',
  'sys/class/block/*/{dev,partition,size,ro,device,slaves/*,uevent}',
  'sys/class/block/*/{dm/name,dm/uuid,md/level,loop/backing_file}',
  'sys/class/block/*/queue/{rotational,scheduler,nr_requests,nomerges,write_cache,rq_affinity}',
  'sys/class/block/*/mq/#/cpu_list',
  'sys/class/block/*/device/{model,numa_node,driver,uevent,irq,msi_irqs/}',
];

/** Process names: only those of irqbalance are kept, so that a snapshot does not list what runs on the machine. */
export const PROCESS_NAMES: readonly string[] = ['proc/#/{comm,cmdline}'];

/** Whether a process's `comm` or `cmdline` is that of irqbalance, and does not merely mention it. */
export function isIrqbalance(text: string): boolean {
  const program = text.split('\0')[0] ?? '';
  return program.trim().split('/').at(-1) === 'irqbalance';
}

/** What is asked of every PCI device that a NIC or disk turns out to stand on. */
export const PCI_FACTS = '{numa_node,local_cpulist,irq,class,vendor,device,driver,uevent,msi_irqs/}';

/** What is asked of each control group from the process's own up to the top. */
export const CGROUP_V2_FACTS = '{cpuset.cpus.effective,cpuset.mems.effective,cpu.max,memory.max}';
export const CGROUP_V1_FACTS: Readonly<Record<string, string>> = {
  cpuset: '{cpuset.effective_cpus,cpuset.cpus,cpuset.effective_mems,cpuset.mems}',
  cpu: '{cpu.cfs_quota_us,cpu.cfs_period_us}',
  memory: 'memory.limit_in_bytes',
};
