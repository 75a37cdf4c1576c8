/** Exit codes of every `lance` command (cli.md, "Exit codes"). */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  found: 3,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What a LanceError is made of besides its message. */
export interface LanceErrorOptions {
  /** A stable word for machines, upper case with underscores: `TOPIC_NOT_FOUND`. */
  code: string;
  /** What to do next, one sentence. */
  hint?: string | undefined;
  /** The exit code of a command that ends with this error; 1 unless told. */
  exitCode?: ExitCode | undefined;
  /** The error below, for `DEBUG`. */
  cause?: unknown;
}

/** The root of every error that LANCE raises on purpose: one plain sentence, a code and the next step. */
export class LanceError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;
  /** What was done before it failed; `--json` prints it beside the error. */
  data: Readonly<Record<string, unknown>> = {};

  constructor(message: string, options: LanceErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? ExitCode.failed;
  }
}
