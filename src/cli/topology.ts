import { realpathSync } from 'node:fs';
import { loadConfig } from '../config/index.js';
import { ExitCode } from '../errors.js';
import type { Drift } from '../topology/apply/check.js';
import { topologyDocument } from '../topology/document.js';
import { type Emit, irqbalanceEnvironment, irqbalancePolicy, systemdUnit } from '../topology/emit.js';
import type { Finding } from '../topology/findings/types.js';
import { readGeneralFacts } from '../topology/general.js';
import { apply, check, previewApply, revertAll } from '../topology/steer.js';
import { isLive, type Survey, type SurveyRequest, survey } from '../topology/survey.js';
import { drawTopology } from '../tui/topology/screen.js';
import { themeOf } from './top-terminal.js';

/** The flags of `lance topology`. */
export interface TopologyFlags {
  readonly root: string;
  readonly config?: string | undefined;
  readonly nic?: string | undefined;
  readonly 'data-dir'?: string | undefined;
  readonly apply: boolean;
  readonly revert: boolean;
  readonly check: boolean;
  readonly 'dry-run': boolean;
  readonly emit?: Emit | undefined;
  readonly json: boolean;
}

/** Where a command's data goes. */
export interface Output {
  readonly json: (document: unknown) => void;
  readonly print: (text: string) => void;
}

/** Flags over configuration, as a request to the topology module. */
export function topologyRequest(flags: TopologyFlags): SurveyRequest {
  const { config, origins } = loadConfig({ file: flags.config });
  const isSet = (key: string): boolean => origins.get(key)?.kind !== 'default';
  const dataDir = flags['data-dir'] ?? (isSet('node.data_dir') ? config.node.dataDir : undefined);
  return {
    root: flags.root,
    nic: flags.nic,
    dataDir,
    defaultDataDir: isLive(flags.root) ? config.node.dataDir : '/var/lib/lance',
    config: {
      nicPciAddr: config.network.nicPciAddr,
      nicNode: config.numa.nicNode,
      nvmeNode: config.numa.nvmeNode,
      numa: isSet('numa.enabled') ? config.numa.enabled : undefined,
      layout: config.runtime.layout,
      pin: { enabled: config.numa.enabled, always: config.numa.pin === 'always' },
    },
  };
}

/** Does what the flags ask for and returns the exit code. `signal` stops an apply, which then rolls back. */
export async function runTopology(flags: TopologyFlags, out: Output, signal: AbortSignal): Promise<number> {
  if (flags.revert) return revertCommand(flags, out);
  const request = topologyRequest(flags);
  if (flags.emit !== undefined) return emit(flags.emit, flags, survey(request), out);
  if (flags.check) return checkCommand(request, flags, out);
  if (flags.apply) return applyCommand(request, flags, out, signal);
  await show(survey(request), flags, out);
  return ExitCode.done;
}

async function show(found: Survey, flags: TopologyFlags, out: Output, more: object = {}): Promise<void> {
  const general = found.live ? await readGeneralFacts() : undefined;
  if (!flags.json) return out.print(draw(found, general));
  const document = topologyDocument(found.machine, found.findings, found.plan);
  out.json({ ...document, system: { ...document.system, ...general }, ...more });
}

function draw(found: Survey, general?: Awaited<ReturnType<typeof readGeneralFacts>>): string {
  const { isTTY, columns } = process.stdout;
  return drawTopology(
    { ...found, general },
    {
      columns: Math.max(60, Math.min(120, (isTTY ? columns : undefined) ?? 80)),
      ...themeOf(process.env, isTTY ? process.stdout : { getColorDepth: () => 1 }),
    },
  );
}

async function applyCommand(
  request: SurveyRequest,
  flags: TopologyFlags,
  out: Output,
  signal: AbortSignal,
): Promise<number> {
  const dryRun = flags['dry-run'];
  // What is about to be done is on the screen before the first write.
  const before = (found: Survey): void => {
    if (!flags.json) out.print(draw(found));
  };
  const done = dryRun ? previewApply(request) : await apply(request, signal, before);
  if (dryRun) before(done);
  const { changed, unchanged, findings } = done.applied;
  if (flags.json) {
    const all = { ...done, findings: [...findings, ...done.findings] };
    await show(all, flags, out, { applied: { dryRun, changed, unchanged } });
    return ExitCode.done;
  }
  for (const found of findings) out.print(inWords(found));
  if (dryRun) {
    for (const { path, from, to } of changed) out.print(`would write ${path}: ${from} ${arrow()} ${to}`);
    out.print(`${changed.length} files would change, ${unchanged} hold it already. Nothing was written.`);
  } else {
    out.print(`${changed.length} files changed and read back, ${unchanged} held it already.`);
    if (changed.length > 0)
      out.print('`lance topology --revert` puts them back; `--check` tells whether they stay.');
  }
  return ExitCode.done;
}

async function revertCommand(flags: TopologyFlags, out: Output): Promise<number> {
  const dryRun = flags['dry-run'];
  const { restored, unchanged, findings } = await revertAll(flags.root, dryRun);
  if (flags.json) {
    out.json({ reverted: { dryRun, restored, unchanged }, findings: findings.map(publicFinding) });
    return ExitCode.done;
  }
  for (const found of findings) out.print(inWords(found));
  if (dryRun)
    for (const { path, from, to } of restored) out.print(`would put back ${path}: ${from} ${arrow()} ${to}`);
  if (restored.length + unchanged + findings.length === 0) {
    out.print('Nothing to put back: there is no journal of an --apply.');
  } else if (dryRun) out.print(`${restored.length} files would be put back. Nothing was written.`);
  else out.print(`${restored.length} files put back, ${unchanged} already held what was.`);
  return ExitCode.done;
}

async function checkCommand(request: SurveyRequest, flags: TopologyFlags, out: Output): Promise<number> {
  const found = check(request);
  const { drift, findings } = found.checked;
  if (flags.json) await show({ ...found, findings: [...findings, ...found.findings] }, flags, out, { drift });
  else {
    for (const { path, expected, actual } of drift)
      out.print(`${path} holds ${actual || 'nothing'}, the plan wants ${expected}`);
    const state = found.findings.filter(({ id }) => id === 'lagging' || id === 'half-applied');
    for (const one of [...findings, ...state]) out.print(inWords(one));
    out.print(summary(drift, found));
  }
  return drift.length > 0 ? ExitCode.found : ExitCode.done;
}

function summary(drift: readonly Drift[], { plan, journal }: Survey): string {
  const planned = plan.irqs.length + plan.queues.length;
  if (drift.length === 0) return `As planned: ${planned} IRQs and queues hold what they should.`;
  const why =
    journal === undefined
      ? 'it was not applied since the last boot'
      : 'something has changed them since --apply';
  return `${drift.length} files have drifted from the plan (${why}): \`lance topology --apply\` puts them right.`;
}

function emit(what: Emit, flags: TopologyFlags, found: Survey, out: Output): number {
  const text = emitted(what, flags, found);
  if (flags.json) out.json({ emit: what, text });
  else out.print(text);
  return ExitCode.done;
}

function emitted(what: Emit, flags: TopologyFlags, found: Survey): string {
  if (what === 'irqbalance') return irqbalanceEnvironment(found.plan);
  if (what === 'irqbalance-policy') return irqbalancePolicy(found.machine, found.plan);
  const kept: [string, string | undefined][] = [
    ['--config', flags.config],
    ['--nic', flags.nic],
    ['--data-dir', flags['data-dir']],
  ];
  const program = process.argv[1] === undefined ? '/usr/bin/lance' : realpathSync(process.argv[1]);
  return systemdUnit(
    program,
    kept.flatMap(([name, value]) => (value === undefined ? [] : [name, value])),
  );
}

function arrow(): string {
  return themeOf(process.env, { getColorDepth: () => 1 }).unicode ? '→' : '->';
}

function publicFinding({ severity, what, advice, supported, reason }: Finding): Omit<Finding, 'id'> {
  return { severity, what, advice, supported, reason };
}

function inWords(found: Finding): string {
  return `${found.severity}: ${found.what}${found.reason === null ? '' : ` (${found.reason})`}; ${found.advice}`;
}

/** The topology document of this machine, planned for the disk of `dataDir`. */
export function localTopology(dataDir: string, config?: string): unknown {
  const off = { apply: false, revert: false, check: false, 'dry-run': false, json: true };
  const found = survey(topologyRequest({ ...off, root: '/', config, 'data-dir': dataDir }));
  return topologyDocument(found.machine, found.findings, found.plan);
}
