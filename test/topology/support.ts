import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { JournalFile } from '../../src/topology/apply/journal.js';
import type { Plan } from '../../src/topology/index.js';
import type { SurveyRequest } from '../../src/topology/survey.js';
import { type Fact, FactTree } from '../../src/topology/tree.js';
import type { MachineBuilder } from './fixtures/builder.js';

/** On memory where there is some: a journal is flushed many times, and other tests keep the disk busy. */
const place = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Writes a fixture machine to a temporary directory that goes away with the test. */
export function onDisk(machine: MachineBuilder): string {
  const dir = mkdtempSync(join(place, 'lance-topology-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  machine.write(dir);
  return dir;
}

/** The same snapshot with some files replaced (or, with undefined, gone). */
export function withFiles(tree: FactTree, files: Readonly<Record<string, string | undefined>>): FactTree {
  const facts = new Map<string, Fact>(tree.facts);
  for (const [path, text] of Object.entries(files)) {
    const real = tree.resolve(path) ?? path;
    if (text === undefined) facts.delete(real);
    else facts.set(real, { kind: 'file', text });
  }
  return new FactTree(facts);
}

/** The snapshot as it would be once the plan has been applied. */
export function afterApply(tree: FactTree, plan: Plan): FactTree {
  const files: Record<string, string> = {};
  for (const { irq, to } of plan.irqs) files[`proc/irq/${irq}/smp_affinity_list`] = `${to}\n`;
  for (const { path, to } of plan.queues) files[path.slice(1)] = `${to}\n`;
  return withFiles(tree, files);
}

/** Every steering file below a root, byte for byte; links are not followed. */
export function steeringBytes(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (dir: string): void => {
    for (const entry of readdirSync(join(root, dir), { withFileTypes: true })) {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/smp_affinity|[rx]ps_cpus$/.test(path) && entry.isFile()) {
        found.set(path, readFileSync(join(root, path), 'latin1'));
      }
    }
  };
  walk('');
  return found;
}

/** Every directory, file and link below a root, with its bytes or target. */
export function wholeTree(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) found.set(path, readlinkSync(path));
    else found.set(path, entry.isDirectory() ? 'directory' : readFileSync(path, 'latin1'));
  }
  return found;
}

export const never: AbortSignal = new AbortController().signal;
/** What is surveyed, below a root. */
export const at = (root: string): SurveyRequest => ({ root, defaultDataDir: '/var/lib/lance' });

export const affinity = (root: string, irq: number): string =>
  join(root, `proc/irq/${irq}/smp_affinity_list`);
export const journalOf = (root: string) => new JournalFile(root).read();
export const errno = (code: string): Error => Object.assign(new Error(code), { code });
