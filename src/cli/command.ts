import { Command, Flags } from '@oclif/core';
import { ExitCode } from '../errors.js';

/** The flag of every command that prints data. */
export const jsonFlag = {
  json: Flags.boolean({ description: 'print JSON: one document a line on stdout, messages on stderr' }),
};

/** What every command of `lance` has in common. */
export abstract class LanceCommand extends Command {
  /** Whether Ctrl-C simply ends the command with 130. `serve` drains instead. */
  protected readonly endsOnInterrupt: boolean = true;

  protected override async init(): Promise<void> {
    await super.init();
    if (this.endsOnInterrupt) process.once('SIGINT', () => process.exit(ExitCode.interrupted));
  }

  // Errors become words and an exit code in src/cli/main.ts, so that there is one place for it.
  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  /** One JSON document on one line of stdout. */
  protected printJson(document: unknown): void {
    process.stdout.write(`${JSON.stringify(document)}\n`);
  }

  /** Text on stdout, with a final line end. */
  protected print(text: string): void {
    process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** Where a bench shows what it found. */
  protected benchOutput({ json, html }: { json: boolean; html?: string | undefined }) {
    return {
      json,
      html,
      printJson: (document: unknown): void => this.printJson(document),
      print: (text: string): void => this.print(text),
      say: (text: string): void => this.say(text),
    };
  }

  /** A message for a person: stderr, so that stdout stays data. */
  protected say(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}
