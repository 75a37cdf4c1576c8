import type { Registry } from 'prom-client';
import type { Snapshot } from '../counters/index.js';
import { type ControlPlane, controlPlaneMetrics } from './control-metrics.js';
import type { Health } from './health.js';
import { engineFamilies, type Family, familyText } from './metrics.js';
import { type TopicMetricsParts, topicFamilies } from './topic-metrics.js';

/** What all metrics of a node are told from. */
export interface NodeMetricsParts extends ControlPlane, TopicMetricsParts {
  /** Reads the live counters. */
  counters: () => Promise<Snapshot>;
  health: Pick<Health, 'engine' | 'now'>;
}

/** Every metric of a node (docs/metrics.md): the engine's counters, topics, and the control plane's own. */
export class NodeMetrics {
  readonly #registry: Registry;

  constructor(private readonly parts: NodeMetricsParts) {
    this.#registry = controlPlaneMetrics(parts);
  }

  /** The media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prometheus' text format. */
  async text(): Promise<string> {
    const [own, control] = [await this.#own(), await this.#registry.metrics()];
    return `${own.map(familyText).join('')}${control}`;
  }

  /** The same by name. */
  async families(): Promise<Family[]> {
    const [own, control] = [await this.#own(), await this.#registry.getMetricsAsJSON()];
    return [...own, ...control.map(familyOfRegistry)];
  }

  async #own(): Promise<Family[]> {
    await this.parts.health.engine();
    const [engine, topics] = await Promise.all([
      this.parts.counters().then(engineFamilies, () => []), // lance_conditions tells that it cannot be read
      topicFamilies(this.parts),
    ]);
    return [...engine, ...topics];
  }
}

type RegistryMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

function familyOfRegistry({ name, help, type, values }: RegistryMetric): Family {
  // prom-client gives histograms by the names of their lines.
  const series = values.map(({ labels, value, ...rest }) => {
    const line = 'metricName' in rest ? String(rest.metricName) : name;
    const texts = Object.entries(labels).map(([key, text]) => [key, String(text)]);
    return { suffix: line.slice(name.length), labels: Object.fromEntries(texts), value };
  });
  return { name, help, kind: KINDS[String(type)] ?? 'gauge', series };
}

const KINDS: Readonly<Record<string, Family['kind']>> = { counter: 'counter', histogram: 'histogram' };
