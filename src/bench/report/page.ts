import type { BenchResult, Floor } from '../result.js';
import type { Sweep } from '../sweep.js';
import { bandwidth, rate, share, time } from '../units.js';
import { ladderChart, stageRanges, throughputOverTime } from './charts.js';
import { configFacts, machineFacts, policyWords } from './facts.js';
import { escapeHtml, section, table } from './html.js';
import { latencyChart, latencyTable } from './latencies.js';
import { STYLE } from './style.js';
import { sweepSections } from './sweep-section.js';

/** A result as one HTML page that needs nothing else: styles and charts are within, no script. */
export function renderPage(result: BenchResult): string {
  const { scenario, at, command, machine, notes, runs, floor, stages, steps, knee, interrupted } = result;
  const { sweep } = result as { sweep?: Sweep };
  // Beside its axes a sweep has one load of its own, which all else on the page is of.
  const own = sweep ? ', as the flags say' : '';
  const when = at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
  const sections = [
    `<h1>lance bench ${escapeHtml(scenario)}</h1>`,
    `<p class="quiet">${escapeHtml(when)}${runs.length > 1 ? `, medians of ${runs.length} runs` : ''}${interrupted ? ', interrupted' : ''}<br><code>${escapeHtml(command)}</code></p>`,
    ...notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`),
    ...(sweep ? sweepSections(sweep).map(([title, content]) => section(title, content)) : []),
    sweep ? section('As the flags say', figures(result)) : scenario === 'floor' ? '' : figures(result),
    section(`Latency by percentile${own}`, latencyChart(result)),
    section(`Over time${own}`, overTime(result)),
    section(`Stages of the node${own}`, stages ? stageRanges(stages) : ''),
    section('Rate and latency', steps && steps.length > 1 ? ladderChart(steps, knee ?? null) : ''),
    section(`Latency${own}`, latencyTable(result)),
    section('Floor of this machine', floor ? floorTable(floor) : ''),
    section('Machine', table([], machineFacts(machine))),
    section('Configuration', table([], configFacts(result.config))),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>lance bench ${escapeHtml(scenario)}, ${escapeHtml(when)}</title><style>${STYLE}</style></head>
<body>
${sections.filter(Boolean).join('\n')}
</body></html>
`;
}

function figures({ throughput, ratio, latency, shortfall, errors }: BenchResult): string {
  const figure = (value: string, name: string): string =>
    `<div>${escapeHtml(value)}<small>${escapeHtml(name)}</small></div>`;
  return `<div class="figures">${[
    figure(bandwidth(throughput.bytes), 'of record values'),
    figure(rate(throughput.records), 'records'),
    ratio ? figure(share(ratio.throughput), `of the floor (${ratio.throughputFloor})`) : '',
    ratio?.append != null ? figure(share(ratio.append), 'of a bare pipeline that appends') : '',
    figure(time(latency.p50), 'latency p50'),
    figure(time(latency.p99), 'latency p99'),
    figure(time(latency.p999), 'latency p99.9'),
    shortfall > 0 ? figure(rate(shortfall), 'short of the rate') : '',
    errors > 0 ? figure(String(errors), 'errors') : '',
  ].join('')}</div>`;
}

function overTime({ runs, config }: BenchResult): string {
  const { timeline } = runs[0] ?? { timeline: [] };
  if (timeline.length < 2) return '';
  const warmed = timeline.some(({ phase }) => phase === 'warmup');
  return throughputOverTime(timeline, warmed ? Number(config.warmupSeconds) : 0);
}

function floorTable(floor: Floor): string {
  const { pipelinePerCpuSecond: per, policies } = floor;
  const rows: [name: string, bytes: number | null | undefined, perCpu?: number | null, how?: string][] = [
    ['disk, durable', floor.durableBytes, null, policyWords(policies.durable)],
    ['disk, unsynced', floor.writtenBytes, null, policyWords(policies.written)],
    ['disk, reading', floor.readBytes],
    ['loopback', floor.loopbackBytes],
    [
      'bare pipeline, durable',
      floor.pipelineDurableBytes,
      per.durable,
      policyWords(policies.pipelineDurable),
    ],
    ['bare pipeline, written', floor.pipelineWrittenBytes, per.written],
    ['bare pipeline, appending to a growing file', floor.pipelineAppendBytes],
    ['bare pipeline, discarded', floor.pipelineDiscardBytes, per.discard],
    ['bare read pipeline', floor.pipelineReadBytes],
    ['bare read pipeline, over a log as cold', floor.pipelineLogBytes],
    ['bare read pipeline, from memory', floor.pipelineMemoryBytes],
  ];
  return table(
    ['', 'a second', 'a CPU-second', 'how it was written'],
    rows
      .filter(([, bytes]) => bytes !== undefined)
      .map(([name, bytes, perCpu, how]) => [
        name,
        bandwidth(bytes ?? null),
        perCpu == null ? '' : bandwidth(perCpu).replace('/s', ''),
        how ?? '',
      ]),
  );
}
