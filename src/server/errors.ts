import { ExitCode, LanceError } from '../errors.js';

/** A node that cannot start. The code is stable, such as `DATA_DIR_IN_USE`. */
export class StartError extends LanceError {}

/** A data directory that cannot be used; `reason` is the system's. */
export function unusable(path: string, reason: unknown): StartError {
  const code = errorCode(reason);
  const hint =
    code === 'EROFS' || code === 'EACCES' || code === 'EPERM'
      ? 'Give the user that runs lance write access there, or choose another place with --data-dir.'
      : code === 'ENOSPC' || code === 'EDQUOT'
        ? 'Make room on that file system, or choose another place with --data-dir.'
        : 'Check the path, or choose another place with --data-dir.';
  return new StartError(`The data directory ${path} cannot be used: ${words(reason)}.`, {
    code: code === 'ENOSPC' || code === 'EDQUOT' ? 'DATA_DIR_FULL' : 'DATA_DIR_UNUSABLE',
    hint,
    cause: reason,
  });
}

/** What the configuration asks for and this machine or data directory contradicts: exit code 2. */
export function misconfigured(code: string, message: string, hint: string | undefined): StartError {
  return new StartError(message, { code, hint, exitCode: ExitCode.usage });
}

/** `ENOSPC` and the like, where the system gave one. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** The words of any error, without a final full stop. */
export function words(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
