import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { BenchResult, Observer } from '../bench/index.js';
import { ExitCode, LanceError } from '../errors.js';
import { watchBench } from '../tui/bench/live.js';
import { drawResult } from '../tui/bench/result.js';
import { untilInterrupted } from './interrupt.js';

/** How a bench is shown. */
export interface BenchOutput {
  json: boolean;
  html?: string | undefined;
  printJson(document: unknown): void;
  print(text: string): void;
  say(text: string): void;
}

/**
 * Runs a bench with live progress on a terminal, then shows its result: a table, or JSON, and a page where one is asked for. Ctrl-C
 * ends it early with what was measured so far (exit code 130). Throws what the bench throws, the table shown before.
 */
export async function runBench(
  output: BenchOutput,
  work: (observer: Observer, signal: AbortSignal) => Promise<BenchResult>,
): Promise<void> {
  if (output.html !== undefined) checkWritable(output.html);
  await untilInterrupted(async (signal) => {
    const live = watchBench();
    try {
      const result = await work(live.observer, signal);
      live.end();
      await show(result, output);
    } catch (error) {
      live.end();
      if (error instanceof LanceError && 'scenario' in error.data) {
        const part = error.data as unknown as BenchResult;
        if (output.html !== undefined) await writePage(part, output.html);
        if (!output.json) output.print(draw(part));
      }
      throw error;
    }
  });
}

async function show(result: BenchResult, output: BenchOutput): Promise<void> {
  if (output.json) {
    output.printJson(result);
    for (const note of result.notes) output.say(note);
  } else output.print(draw(result));
  if (output.html === undefined) return;
  await writePage(result, output.html);
  output.say(`The report is in ${output.html}.`);
}

/** As wide as the terminal, 60 to 120 columns; 80 in a pipe. */
export function draw(result: BenchResult): string {
  const { isTTY, columns } = process.stdout;
  return drawResult(result, {
    columns: Math.max(60, Math.min(120, (isTTY ? columns : undefined) ?? 80)),
    colour: isTTY === true && !process.env.NO_COLOR,
  });
}

async function writePage(result: BenchResult, file: string): Promise<void> {
  // echarts is large: it is loaded when a page is asked for.
  const { renderPage } = await import('../bench/report/page.js');
  writeFileSync(file, renderPage(result));
}

/** A page that cannot be written is better known before the bench than after it. */
function checkWritable(file: string): void {
  try {
    if (existsSync(file)) accessSync(file, constants.W_OK);
    else accessSync(dirname(resolve(file)), constants.W_OK);
  } catch (error) {
    throw new LanceError(`${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`, {
      code: 'FILE_UNWRITABLE',
      hint: 'Name another file with --html.',
      exitCode: ExitCode.usage,
      cause: error,
    });
  }
}
