// Writes docs/metrics.md from what a node answers on /metrics. `--check` only compares and exits 1 when a metric is missing
// or gone; `--from FILE` takes a saved scrape instead of starting a node.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { root } from './setup.mjs';

const SECTIONS = [
  ['The node', /^lance_(build_info|ready|conditions|disk_free)/],
  ['Topics', /^lance_topics?_|^lance_topics$/],
  ['Stages of an ingest frame', /^lance_stage_/],
  [
    'Network',
    /^lance_(frames|bytes|ingest_frames|acks|errors|bad_frames|connections|backpressure|paused|keepalives|inflight|control_requests|recv_)/,
  ],
  ['Ingest', /^lance_(records?|batches|payloads)_/],
  ['Journal, segments and device', /^lance_(journal|segments?|flushes|direct|device|durable)_/],
  ['Reads', /^lance_(fetche?[sd]?|tail_cache|cold|waiters|waits|locates|commits|damaged)(_|$)/],
  ['Memory and queues', /^lance_(slabs|queue)/],
  ['Threads', /^lance_(ring|runner|agent)_/],
  ['The control plane (Node)', /^lance_control_(?!requests)/],
];

const INTRODUCTION = `# Metrics

Everything that \`/metrics\` on the admin endpoint (\`admin.bind\`, 127.0.0.1:1993) shows, in Prometheus' text format. Written by
\`node scripts/metrics-page.mjs\`; a test compares this page with a live scrape, and \`promtool check metrics\` passes on it.

- **Names are stable**: a metric keeps its name, unit and labels; new ones may come. \`_seconds\` and \`_bytes\` are base units, \`_total\` only grows.
- **Histograms** are classic ones: \`NAME_bucket{le}\` with bounds 1, 2, 5 to each decade from 1 us to 10 s, \`NAME_sum\`, \`NAME_count\`. The node
  itself keeps finer ones (1% error): \`/v1/counters\` and \`lance top\` show quantiles of those.
- **Labels are bounded.** \`topic\` stands only on \`lance_topic_*\`, for the first 100 topics by age; \`lance_topics_unlisted\` counts the others, and
  \`/v1/topics/NAME\` answers for each of them. No label carries an address, a consumer or anything else that clients choose.
- A scrape reads the counters file, so the data plane does not notice it, and works while the engine hangs; then series of topics are missing.
  An interval of 15 s is plenty.

A dashboard is in [docs/grafana/lance.json](grafana/lance.json), alert rules are in [docs/alerts/lance.rules.yml](alerts/lance.rules.yml);
[operations.md](operations.md#alerts) says what each alert means.

\`\`\`yaml
scrape_configs:
  - job_name: lance
    static_configs:
      - targets: ['127.0.0.1:1993']
\`\`\`

## OpenTelemetry

\`telemetry.otlp_endpoint = "http://collector:4318"\` sends the same metrics, under the same names and in the same units, to a collector: OTLP over HTTP, JSON, cumulative, every
\`telemetry.otlp_interval\` (15 s), and once more when the node drains. Off by default; the SDK is not even loaded then. \`service.name\` is \`lance\`, \`service.instance.id\` the cluster's id and the
node's number. The official exporter does it, so its variables hold for the rest: \`OTEL_EXPORTER_OTLP_HEADERS\`, \`OTEL_EXPORTER_OTLP_COMPRESSION\`, \`OTEL_EXPORTER_OTLP_CERTIFICATE\`. A
collector that does not answer costs a line in the log when it begins and one when it ends; nothing is kept for it. Traces and logs are not sent.
`;

/** The families of a scrape in its order: name, type, HELP, and the names of its labels. */
function familiesOf(scrape) {
  const families = new Map();
  for (const line of scrape.split('\n')) {
    const help = /^# HELP (\S+) (.*)$/.exec(line);
    if (help) families.set(help[1], { name: help[1], help: help[2], type: '', labels: new Set() });
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) families.get(type[1]).type = type[2];
    const series = /^([a-z_:0-9]+)(?:\{(.*)\})? \S+$/.exec(line);
    if (!series) continue;
    const family = families.get(series[1]) ?? families.get(series[1].replace(/_(bucket|sum|count)$/, ''));
    if (!family) throw new Error(`no HELP for ${series[1]}`);
    for (const [, label] of (series[2] ?? '').matchAll(/([a-z_]+)="/g)) {
      if (label !== 'le') family.labels.add(label);
    }
  }
  return [...families.values()];
}

/** docs/metrics.md for this scrape. */
function metricsPage(scrape) {
  const left = familiesOf(scrape);
  const sections = SECTIONS.map(([title, pattern]) => {
    const own = left.filter(({ name }) => pattern.test(name));
    for (const family of own) left.splice(left.indexOf(family), 1);
    return own.length === 0 ? '' : section(title, own);
  });
  if (left.length > 0) sections.push(section('Others', left));
  return [INTRODUCTION, ...sections].filter(Boolean).join('\n');
}

function section(title, families) {
  const rows = families.map(({ name, type, labels, help }) => {
    const named = [...labels].map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${named} | ${help.replaceAll('|', '\\|')} |\n`;
  });
  return `## ${title}\n\n| metric | type | labels | tells |\n|---|---|---|---|\n${rows.join('')}`;
}

/** What a fresh node with one topic answers on /metrics. */
async function scrape() {
  const dir = mkdtempSync(join(tmpdir(), 'lance-metrics-'));
  const args = ['bin/run.js', 'serve', '--json', '--data-dir', dir];
  const node = spawn(
    process.execPath,
    [...args, '--bind', '127.0.0.1:0', '--admin', '127.0.0.1:0', '--log-level', 'error'],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const [line] = await once(createInterface({ input: node.stdout }), 'line');
    const response = await fetch(`http://${JSON.parse(line).admin}/metrics`);
    return await response.text();
  } finally {
    const ended = once(node, 'exit');
    node.kill('SIGTERM');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Rows of one page that the other lacks; what Node's collector has shown so far gives labels now and then. */
function missing(from, other) {
  const rows = (page) =>
    page.split('\n').filter((line) => line.startsWith('| `lance_') && !line.includes('_gc_'));
  const there = new Set(rows(other));
  return rows(from).filter((row) => !there.has(row));
}

const file = join(root, 'docs', 'metrics.md');
const { values: flags } = parseArgs({ options: { check: { type: 'boolean' }, from: { type: 'string' } } });
const page = metricsPage(flags.from ? readFileSync(flags.from, 'utf8') : await scrape());
if (flags.check) {
  const written = readFileSync(file, 'utf8');
  const lacks = missing(page, written).map((row) => `docs/metrics.md lacks ${row}\n`);
  const stale = missing(written, page).map((row) => `docs/metrics.md has what no node shows: ${row}\n`);
  process.stderr.write([...lacks, ...stale].join(''));
  if (lacks.length + stale.length > 0) {
    process.stderr.write('run `npm run build:ts && node scripts/metrics-page.mjs` and commit it\n');
    process.exitCode = 1;
  }
} else writeFileSync(file, page);
