import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { CONDITION_CODES } from './conditions.js';
import type { Health } from './health.js';

/** What the metrics of the control plane are told from. */
export interface ControlPlane {
  version: string;
  nodeId: number;
  health: Pick<Health, 'now'>;
  /** Bytes free where the data lies, as far as known. */
  freeDisk: () => number | undefined;
}

/** prom-client's own gauges that say little here, or bear a counter's name. */
const LEFT_OUT = [
  'active_handles',
  'active_handles_total',
  'active_requests',
  'active_requests_total',
  'active_resources',
  'active_resources_total',
].map((name) => `lance_control_nodejs_${name}`);

/** What concerns Node and this process, beside the engine's own counters. */
export function controlPlaneMetrics({ version, nodeId, health, freeDisk }: ControlPlane): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'lance_control_' });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  new Gauge({
    name: 'lance_build_info',
    help: 'Version and node id, as labels; always 1',
    labelNames: ['version', 'node_id'],
    registers: [registry],
  }).set({ version, node_id: String(nodeId) }, 1);
  new Gauge({
    name: 'lance_ready',
    help: 'Whether the node is ready for all of its work',
    registers: [registry],
    collect() {
      this.set(health.now().reasons.length === 0 ? 1 : 0);
    },
  });
  new Gauge({
    name: 'lance_conditions',
    help: 'What is wrong now by code, as /readyz tells it',
    labelNames: ['code'],
    registers: [registry],
    collect() {
      const { reasons, warnings } = health.now();
      for (const code of CONDITION_CODES) {
        this.set({ code }, [...reasons, ...warnings].filter((one) => one.code === code).length);
      }
    },
  });
  new Gauge({
    name: 'lance_disk_free_bytes',
    help: 'Bytes free on the file system of the data directory',
    registers: [registry],
    collect() {
      const free = freeDisk();
      if (free !== undefined) this.set(free);
    },
  });
  return registry;
}
