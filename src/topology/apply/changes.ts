import { type CpuSet, formatCpuMask, parseCpuList, parseCpuMask, sameCpus } from '../cpuset.js';
import type { Plan } from '../plan/types.js';
import type { FactTree } from '../tree.js';

/** One steering file and what it is to hold. */
export interface Change {
  readonly path: string;
  /** The bytes the plan was made from. */
  readonly was: string;
  /** The text to write, without the line end. */
  readonly to: string;
  /** The IRQ it steers, or null for a queue's mask. */
  readonly irq: number | null;
  /**
   * A second file that shows the same value in another form (`smp_affinity` beside `smp_affinity_list`). The kernel keeps both in step;
   * in a directory of plain files the second is written too.
   */
  readonly twin: { readonly path: string; readonly was: string; readonly to: string } | null;
}

/** The CPUs that a steering file's text means, by its name; undefined where the text is malformed. */
export function cpusIn(path: string, text: string): CpuSet | undefined {
  try {
    return path.endsWith('_list') ? parseCpuList(text) : parseCpuMask(text);
  } catch {
    return undefined;
  }
}

/** Whether a steering file's text means the same CPUs as `to`. */
export function holds(path: string, text: string, to: string): boolean {
  const is = cpusIn(path, text);
  const wanted = cpusIn(path, to);
  return is !== undefined && wanted !== undefined && sameCpus(is, wanted);
}

/** All steering files of a plan, those that already hold what they should included. */
export function steeringFiles(plan: Plan, tree: FactTree): Change[] {
  const irqs = plan.irqs.flatMap(({ irq, to }): Change[] => {
    const list = `/proc/irq/${irq}/smp_affinity_list`;
    const mask = `/proc/irq/${irq}/smp_affinity`;
    const listText = tree.raw(list);
    const maskText = tree.raw(mask);
    const asMask = formatCpuMask(parseCpuList(to), maskText);
    if (listText !== undefined && cpusIn(list, listText) !== undefined) {
      const twin = maskText === undefined ? null : { path: mask, was: maskText, to: asMask };
      return [{ path: list, was: listText, to, irq, twin }];
    }
    return maskText === undefined ? [] : [{ path: mask, was: maskText, to: asMask, irq, twin: null }];
  });
  const queues = plan.queues.flatMap(({ path, to }): Change[] => {
    const was = tree.raw(path);
    return was === undefined ? [] : [{ path, was, to, irq: null, twin: null }];
  });
  return [...irqs, ...queues];
}

/** The steering files that do not hold yet what the plan wants. */
export function changesOf(plan: Plan, tree: FactTree): Change[] {
  return steeringFiles(plan, tree).filter((change) => !holds(change.path, change.was, change.to));
}
