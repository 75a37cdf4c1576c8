import type { BenchResult, Curve, Floor, Quantiles } from '../result.js';
import type { Sweep } from '../sweep.js';
import { bandwidth, rate, share, time } from '../units.js';
import { ladderChart, latencyCurves, stageBars, throughputOverTime } from './charts.js';
import { sweepSections } from './sweep-section.js';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #8a8f9833; }
th:first-child, td:first-child { text-align: left; } thead th { color: #8a8f98; font-weight: 500; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1rem 0; } .figures div { font-size: 1.4rem; font-weight: 600; }
.figures small { display: block; font-weight: 400; font-size: .85rem; color: #8a8f98; }
.quiet { color: #8a8f98; } .note { color: #b7791f; } svg { width: 100%; height: auto; } code { font-size: .85rem; overflow-wrap: anywhere; }
`;

/** Text as it may stand in HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** A result as one HTML page that needs nothing else: styles and charts are within, no script. */
export function renderPage(result: BenchResult): string {
  const { scenario, at, command, machine, notes, runs, floor, stages, steps, interrupted } = result;
  const run = runs[0];
  const { sweep } = result as { sweep?: Sweep };
  const sections = [
    `<h1>lance bench ${escapeHtml(scenario)}</h1>`,
    `<p class="quiet">${escapeHtml(at)}${runs.length > 1 ? `, medians of ${runs.length} runs` : ''}${interrupted ? ', interrupted' : ''}<br><code>${escapeHtml(command)}</code></p>`,
    ...notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`),
    scenario === 'floor' ? '' : figures(result),
    ...(sweep ? sweepSections(sweep, table).map(([title, content]) => section(title, content)) : []),
    section('Latency by percentile', curvesOf(result)),
    section('Over time', run && run.timeline.length > 1 ? throughputOverTime(run.timeline) : ''),
    section('Stages of the node', stages ? stageBars(stages) : ''),
    section('Rate and latency', steps && steps.length > 1 ? ladderChart(steps) : ''),
    section('Latency', latencyTable(result)),
    section('Floor of this machine', floor ? floorTable(floor) : ''),
    section('Machine', machineTable(machine)),
    section('Configuration', keyTable(result.config)),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>lance bench ${escapeHtml(scenario)}, ${escapeHtml(at)}</title><style>${STYLE}</style></head>
<body>
${sections.filter(Boolean).join('\n')}
</body></html>
`;
}

function section(title: string, content: string): string {
  return content === '' ? '' : `<h2>${title}</h2>\n${content}`;
}

function figures({ throughput, ratio, latency, shortfall, errors }: BenchResult): string {
  const figure = (value: string, name: string): string =>
    `<div>${escapeHtml(value)}<small>${escapeHtml(name)}</small></div>`;
  return `<div class="figures">${[
    figure(bandwidth(throughput.bytes), 'of record values'),
    figure(rate(throughput.records), 'records'),
    ratio ? figure(share(ratio.throughput), `of the floor (${ratio.throughputFloor})`) : '',
    ratio?.append != null ? figure(share(ratio.append), 'of a bare pipeline that appends') : '',
    figure(time(latency.p50), 'p50'),
    figure(time(latency.p99), 'p99'),
    figure(time(latency.p999), 'p99.9'),
    shortfall > 0 ? figure(rate(shortfall), 'short of the rate') : '',
    errors > 0 ? figure(String(errors), 'errors') : '',
  ].join('')}</div>`;
}

function curvesOf({ runs, config }: BenchResult): string {
  const run = runs[0];
  if (!run || run.curve.length < 2) return '';
  const curves: { name: string; curve: Curve }[] =
    config.rate === 'max'
      ? [{ name: 'acknowledgement', curve: run.curve }]
      : [
          { name: 'response, from when it was due', curve: run.curve },
          { name: 'service, from when it was sent', curve: run.serviceCurve },
        ];
  return latencyCurves(curves);
}

function latencyTable(result: BenchResult): string {
  const { latency, service, stages, floor, scenario, steps } = result;
  const rows: [string, Quantiles][] = [
    ...(scenario === 'floor'
      ? []
      : ([
          ['response', latency],
          ['service', service],
        ] as [string, Quantiles][])),
    ...Object.entries(stages ?? {}).map(([name, q]): [string, Quantiles] => [
      `stage ${name.replace('_', ' to ')}`,
      q,
    ]),
    ...(steps ?? []).map((step): [string, Quantiles] => [`at ${rate(step.rate)}`, step.latency]),
    ...(floor
      ? ([
          ['floor: round trip', floor.roundTrip],
          ['floor: durable 4 KiB write', floor.dsync4k],
          ['floor: unsynced 4 KiB write', floor.write4k],
          ...(floor.groupCommit ? [['floor: ideal group commit', floor.groupCommit]] : []),
          ...(floor.pipelineLatency ? [['bare pipeline on this schedule', floor.pipelineLatency]] : []),
        ] as [string, Quantiles][])
      : []),
  ];
  return table(
    ['', 'p50', 'p90', 'p99', 'p99.9', 'max', 'count'],
    rows.map(([name, q]) => [
      name,
      ...[q.p50, q.p90, q.p99, q.p999, q.max].map(time),
      q.count.toLocaleString('en-US'),
    ]),
  );
}

function floorTable(floor: Floor): string {
  const per = floor.pipelinePerCpuSecond;
  const rows: [string, number | null | undefined, string | number | null][] = [
    ['disk, durable', floor.durableBytes, floor.policies.durable],
    ['disk, unsynced', floor.writtenBytes, floor.policies.written],
    ['disk, reading', floor.readBytes, ''],
    ['loopback', floor.loopbackBytes, ''],
    ['bare pipeline, durable', floor.pipelineDurableBytes, per.durable],
    ['bare pipeline, written', floor.pipelineWrittenBytes, per.written],
    ['bare pipeline, appending to a growing file', floor.pipelineAppendBytes, ''],
    ['bare pipeline, discarded', floor.pipelineDiscardBytes, per.discard],
    ['bare read pipeline', floor.pipelineReadBytes, ''],
    ['bare read pipeline, over a log as cold', floor.pipelineLogBytes, ''],
    ['bare read pipeline, from memory', floor.pipelineMemoryBytes, ''],
  ];
  return table(
    ['', 'a second', 'how, or a CPU-second'],
    rows
      .filter(([, bytes]) => bytes !== undefined)
      .map(([name, bytes, more]) => [
        name,
        bandwidth(bytes ?? null),
        typeof more === 'number' ? bandwidth(more).replace('/s', '') : (more ?? ''),
      ]),
  );
}

function machineTable(machine: BenchResult['machine']): string {
  return keyTable({ ...machine, memory: `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB` });
}

function keyTable(values: object): string {
  return table(
    [],
    Object.entries(values).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(' ') : String(value),
    ]),
  );
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const head =
    headings.length === 0
      ? ''
      : `<thead><tr>${headings.map((h) => `<th>${escapeHtml(h)}</th>`).join('')}</tr></thead>`;
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('\n');
  return `<table>${head}<tbody>${body}</tbody></table>`;
}
