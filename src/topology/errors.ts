import { type ExitCode, LanceError } from '../errors.js';

/** What a topology operation can fail with; `code` is stable and part of the `--json` error shape (cli.md). */
export type TopologyErrorCode =
  | 'NOT_A_MACHINE'
  | 'BAD_CPU_SET'
  | 'NO_SUCH_NIC'
  | 'NO_SUCH_NODE'
  | 'NO_SUCH_NVME'
  | 'NEEDS_ROOT'
  | 'DENIED'
  | 'BUSY'
  | 'JOURNAL_BAD'
  | 'JOURNAL_OTHER_BOOT'
  | 'JOURNAL_UNWRITABLE'
  | 'ROLLED_BACK'
  | 'NOTHING_APPLIED'
  | 'NOT_ALL_REVERTED'
  | 'INTERRUPTED'
  | 'UNSAFE_PATH';

/** An operation on the machine's topology could not be done. Carries the next step (`hint`) and the exit code of cli.md. */
export class TopologyError extends LanceError {
  declare readonly code: TopologyErrorCode;

  constructor(code: TopologyErrorCode, message: string, hint: string, exitCode: ExitCode = 1) {
    super(message, { code, hint, exitCode });
  }
}

/** The errno name (`"EIO"`) of an error thrown by `node:fs`, or `"EUNKNOWN"`. */
export function errnoOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return 'EUNKNOWN';
}
