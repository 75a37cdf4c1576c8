import { ExitCode } from '../errors.js';
import { carryOut, inspectPaths, planRepair, type RepairPlan } from '../segment/index.js';
import { confirm } from './confirm.js';
import type { Output } from './segment-details.js';

/** The flags of `lance segment repair`. */
export interface RepairFlags {
  readonly 'dry-run': boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

/** Shows what would be done, asks unless told not to, does it, looks again; the exit code is 3 while damage is left. */
export async function runRepair(path: string, flags: RepairFlags, out: Output): Promise<number> {
  const dryRun = flags['dry-run'];
  const plan = await planRepair(path);
  if (!flags.json) out.print(planText(plan));
  const idle = plan.steps.length === 0;
  if (!dryRun && !idle) {
    if (!flags.yes) await confirm(`Do this to ${path}?`);
    await carryOut(path, plan);
  }
  const left = dryRun || idle ? plan.left : await problemsNow(path);
  if (flags.json) out.print(JSON.stringify({ path, dryRun, steps: plan.steps, problems: left }));
  else out.print(endText(plan, dryRun, left.length));
  return left.length > 0 ? ExitCode.found : ExitCode.done;
}

async function problemsNow(path: string): Promise<RepairPlan['left']> {
  const { reports } = await inspectPaths([path]);
  return reports.flatMap((report) =>
    report.problems.all().map((problem) => ({ path: report.path, ...problem })),
  );
}

function planText({ steps, left }: RepairPlan): string {
  return [
    ...steps.map(({ action, path, at, detail }) => `${action.padEnd(7)}  ${path} at byte ${at}: ${detail}`),
    ...left.map(({ kind, path, at, detail }) => `left     ${path} at byte ${at}: ${kind}: ${detail}`),
  ].join('\n');
}

function endText({ steps }: RepairPlan, dryRun: boolean, left: number): string {
  const damage =
    left === 0
      ? ''
      : ` ${left} ${left === 1 ? 'problem is' : 'problems are'} left: that is damage, which is never cut. Restore the file from a copy, or see docs/operations.md.`;
  if (steps.length === 0) return `Nothing is torn or derived wrongly.${damage}`;
  const count = steps.length === 1 ? '1 step' : `${steps.length} steps`;
  return `${dryRun ? `${count} would be done. Nothing was changed.` : `${count} done and flushed.`}${damage}`;
}
