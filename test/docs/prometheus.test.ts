/** What docs/ offers to Prometheus and Grafana, against a live node and promtool. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT, runLance, startNode } from '../harness/node.js';
import { hasProgram, needs } from '../harness/programs.js';
import { tempDir } from '../harness/temp.js';

const promtool = hasProgram('promtool') ? undefined : 'promtool (Debian: prometheus)';
const docs = (...path: string[]) => join(ROOT, 'docs', ...path);

/** Runs a program and gives how it ended and all of its output. */
function run(program: string, args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8', cwd: ROOT });
  return { status, output: stdout + stderr };
}

/** Names of metrics that an expression or a file of rules uses. */
const metricsIn = (text: string): string[] => [
  ...new Set(
    [...text.matchAll(/\blance_[a-z0-9_]+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, '')),
  ),
];

interface Panel {
  title: string;
  targets?: { expr: string; legendFormat: string }[];
}

const { panels } = JSON.parse(readFileSync(docs('grafana', 'lance.json'), 'utf8')) as { panels: Panel[] };
const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

let scrape = '';
let known = new Set<string>();

beforeAll(async () => {
  const node = await startNode();
  const at = ['--endpoint', node.endpoint];
  await runLance(['topic', 'create', 'orders', ...at]);
  await runLance(['produce', 'orders', ...at], { input: 'a\nb\n' });
  await runLance(['consume', 'orders', '--consumer', '7', '--commit', ...at]);
  scrape = await (await node.adminGet('/metrics')).text();
  known = new Set([...scrape.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name ?? ''));
  await node.stop();
}, 240_000);

describe('a live scrape', () => {
  it('passes promtool check metrics without a remark', (context) => {
    needs(context, promtool);
    expect(run('promtool', ['check', 'metrics'], scrape)).toEqual({ status: 0, output: '' });
  });

  it('holds what was done to the node, in records, bytes and seconds', () => {
    for (const line of [
      'lance_records_in_total{agent="ingest-0"} 2',
      'lance_topic_appended_records_total{topic="orders"} 2',
      'lance_topic_consumers{topic="orders"} 1',
      'lance_topic_consumer_lag_max_bytes{topic="orders"} 0',
      'lance_stage_receive_ack_seconds_count{agent="network-0"} 1',
      'lance_topics_unlisted 0',
      'lance_conditions{code="DISK_FULL"} 0',
      'lance_ready 1',
    ]) {
      expect(scrape.split('\n')).toContain(line);
    }
  });

  it('is what docs/metrics.md lists, each metric with type, labels and meaning', () => {
    const file = join(tempDir('lance-scrape'), 'metrics.txt');
    writeFileSync(file, scrape);
    expect(run(process.execPath, ['scripts/metrics-page.mjs', '--check', '--from', file])).toEqual({
      status: 0,
      output: '',
    });
  });
});

describe('the alert rules', () => {
  it('are rules, and each fires when it should and is silent when it should be', (context) => {
    needs(context, promtool);
    expect(run('promtool', ['check', 'rules', docs('alerts', 'lance.rules.yml')])).toMatchObject({
      status: 0,
    });
    const { status, output } = run('promtool', ['test', 'rules', docs('alerts', 'lance.test.yml')]);
    expect(output).toContain('SUCCESS');
    expect(status).toBe(0);
  });

  const rules = readFileSync(docs('alerts', 'lance.rules.yml'), 'utf8');
  const names = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name ?? '');

  it('name metrics that a node has', () => {
    expect(metricsIn(rules).filter((name) => !known.has(name))).toEqual([]);
  });

  it('are each tested, silent and firing', () => {
    const tests = readFileSync(docs('alerts', 'lance.test.yml'), 'utf8');
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(tests.split(`alertname: ${name}`).length, name).toBeGreaterThan(2);
  });

  it('each name the section of docs/operations.md that says what it means and what to do', () => {
    const operations = readFileSync(docs('operations.md'), 'utf8');
    const sections = new Map(
      [...operations.matchAll(/^### (Lance\w+)\n\n([\s\S]*?)(?=^##)/gm)].map(([, name = '', text = '']) => [
        name,
        text,
      ]),
    );
    expect([...sections.keys()]).toEqual(names);
    for (const block of rules.split('- alert: ').slice(1)) {
      const [name = ''] = block.split('\n');
      expect(block).toContain(`runbook: "docs/operations.md#${name.toLowerCase()}"`);
      const severity = /severity: (\w)(\w+)/.exec(block);
      expect(sections.get(name)).toContain(`*${severity?.[1]?.toUpperCase()}${severity?.[2]}.* `);
      expect(sections.get(name)).toMatch(/\*\*Do:\*\* \S/);
    }
  });
});

describe('the Grafana dashboard', () => {
  it('names metrics that a node has, in every panel', () => {
    expect(expressions.length).toBeGreaterThan(20);
    const absent = expressions.flatMap(metricsIn).filter((name) => !known.has(name));
    expect(absent).toEqual([]);
  });

  it('holds expressions that Prometheus understands, all of them asking for the chosen node', (context) => {
    needs(context, promtool);
    for (const expr of expressions) expect(expr).toContain('instance=~"$instance"');
    const rules = expressions.map((expr, i) => ({
      record: `panel_${i}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
    }));
    const file = join(tempDir('lance-grafana'), 'panels.yml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules }] }));
    expect(run('promtool', ['check', 'rules', file])).toMatchObject({ status: 0 });
  });
});
