import { ExitCode, LanceError } from '../errors.js';
import { type ErrorDocument, errorHint, errorName } from '../protocol/index.js';

/** The node answered with an error. `lwpCode` is its number (lwp.md, "Error codes"), `details` what came with it. */
export class LwpError extends LanceError {
  readonly lwpCode: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor({ code, message, details }: ErrorDocument, hint = errorHint(code)) {
    // A name or an offset that the person typed is wrong usage; everything else is a failure.
    const exitCode = code === 0x12 ? ExitCode.usage : ExitCode.failed;
    super(/[.!?]$/.test(message) ? message : `${message}.`, { code: errorName(code), hint, exitCode });
    this.lwpCode = code;
    this.details = details ?? {};
  }
}

/** No node could be reached, so nothing was sent. */
export class UnreachableError extends LanceError {
  constructor(tried: readonly { endpoint: string; reason: string }[], cause?: unknown) {
    const list = tried.map(({ endpoint, reason }) => `${endpoint} (${reason})`).join(', ');
    super(`No node answers at ${list}.`, {
      code: 'UNREACHABLE',
      hint: 'Start one with `lance serve`, or name another with --endpoint HOST:PORT or LANCE_ENDPOINT.',
      cause,
    });
  }
}

/** The connection ended while something was owed on it. */
export class ConnectionLostError extends LanceError {
  constructor(endpoint: string, reason: string, cause?: unknown) {
    super(`The connection to ${endpoint} was lost: ${reason}.`, {
      code: 'CONNECTION_LOST',
      hint: 'See whether the node still runs, and its log for the reason.',
      cause,
    });
  }
}

/** No answer came in time. */
export class RequestTimeoutError extends LanceError {
  constructor(endpoint: string, milliseconds: number) {
    super(`${endpoint} did not answer within ${milliseconds} ms.`, {
      code: 'TIMEOUT',
      hint: 'See whether the node is overloaded, or allow more with --timeout.',
    });
  }
}

/** Records were sent and no answer came: they may be stored or not. Sending them again may store them twice. */
export class OutcomeUnknownError extends LanceError {
  /** Records whose outcome is not known. */
  readonly records: number;

  constructor(records: number, cause: Error) {
    super(`The outcome of ${records} records is unknown: ${cause.message}`, {
      code: 'OUTCOME_UNKNOWN',
      hint: 'Look at the end of the topic before sending them again; --retry-unknown sends them again and may store them twice.',
      cause,
    });
    this.records = records;
  }
}

/** A record that the node would never store. */
export class RecordTooLargeError extends LanceError {
  constructor(bytes: number, limit: number) {
    super(`A record of ${bytes} bytes is larger than the ${limit} that the node takes.`, {
      code: 'RECORD_TOO_LARGE',
      hint: 'Split it, or store it elsewhere and send a reference.',
    });
  }
}

/** Records that were gathered and not sent, because what stood before them failed. They are certainly not stored. */
export class NotSentError extends LanceError {
  constructor(cause: Error) {
    super(`Not sent, because an earlier batch failed: ${cause.message}`, {
      code: 'NOT_SENT',
      hint: 'Settle the earlier failure, then send these again.',
      cause,
    });
  }
}
