/**
 * Metrics to an OpenTelemetry collector (`telemetry.otlp_endpoint`). Loaded only where that is set: the SDK costs a node
 * nothing else.
 */
import { ExportResultCode, hrTime } from '@opentelemetry/core';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import type { Logger } from 'pino';
import type { NodeMetrics } from '../node-metrics.js';
import { metricData } from './metric-data.js';

export interface TelemetryOptions {
  /** Base URL of the collector; `/v1/metrics` is put behind one without a path. */
  endpoint: string;
  /** Between two exports, ms. */
  interval: number;
  metrics: Pick<NodeMetrics, 'families'>;
  /** Says which node this is, on every export. */
  resource: Readonly<Record<string, string | number>>;
  log: Pick<Logger, 'info' | 'warn'>;
}

/** How long the last export may take while a node drains, ms. */
const LAST_EXPORT_MS = 2_000;

/** Exports until it is stopped; `stop` sends what there is once more, and never rejects. */
export function startTelemetry(options: TelemetryOptions): { stop(): Promise<void> } {
  const { interval, metrics, log } = options;
  const start = hrTime();
  const resource = resourceFromAttributes({ 'service.name': 'lance', ...options.resource });
  const reader = new PeriodicExportingMetricReader({
    exporter: new SaysSo(
      new OTLPMetricExporter({ url: metricsUrl(options.endpoint) }),
      options.endpoint,
      log,
    ),
    exportIntervalMillis: interval,
    exportTimeoutMillis: Math.min(interval, 10_000),
    metricProducers: [
      {
        async collect() {
          const families = await metrics.families();
          const scope = { name: 'lance' };
          const found = metricData(families, { start, end: hrTime() });
          return { resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: found }] }, errors: [] };
        },
      },
    ],
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  return {
    stop: () => provider.shutdown({ timeoutMillis: LAST_EXPORT_MS }).catch(() => undefined),
  };
}

/** `http://collector:4318` is a base; a URL with a path is taken as it is. */
function metricsUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/metrics';
  return url.href;
}

/** An exporter that tells the log when exports begin to fail, and when they arrive again: not each one. */
class SaysSo implements PushMetricExporter {
  #failing = false;

  constructor(
    private readonly exporter: OTLPMetricExporter,
    private readonly endpoint: string,
    private readonly log: TelemetryOptions['log'],
  ) {}

  export(...[data, done]: Parameters<PushMetricExporter['export']>): void {
    this.exporter.export(data, (result) => {
      const failed = result.code !== ExportResultCode.SUCCESS;
      if (failed && !this.#failing) {
        const why = result.error ? `: ${result.error.message || String(result.error)}` : '';
        this.log.warn(`telemetry.otlp_endpoint ${this.endpoint} takes no metrics${why}; trying on`);
      } else if (!failed && this.#failing) this.log.info(`${this.endpoint} takes metrics again`);
      this.#failing = failed;
      // The log has it; the SDK would say it once more to nobody.
      done({ code: ExportResultCode.SUCCESS });
    });
  }

  forceFlush(): Promise<void> {
    return this.exporter.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}
