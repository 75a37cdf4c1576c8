import { ExitCode, LanceError } from '../errors.js';

/** A source that cannot be sampled, or a recording that cannot be read; `message` says why in one sentence. */
export class SamplingError extends LanceError {
  constructor(
    code: string,
    message: string,
    hint: string,
    options: { usage?: boolean; cause?: unknown } = {},
  ) {
    super(message, {
      code,
      hint,
      ...(options.usage ? { exitCode: ExitCode.usage } : {}),
      cause: options.cause,
    });
  }
}
