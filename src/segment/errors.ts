import { constants } from 'node:os';
import { ExitCode, LanceError } from '../errors.js';

/** A path cannot be inspected, verified, repaired or exported. */
export class SegmentError extends LanceError {}

/** The path is by its name no file of LANCE (exit code 2). */
export function notLance(path: string, what: string): SegmentError {
  return new SegmentError(`${path} ${what}.`, {
    code: 'NOT_A_LANCE_FILE',
    hint: 'Name a segment (.lnc), an index (.idx, .pos), a journal chunk (.lnj), or a directory that holds them, such as a data directory.',
    exitCode: ExitCode.usage,
  });
}

/** The system refuses a path (exit code 1). `error` is Node's, or what the addon gave. */
export function unreadable(path: string, error: unknown): SegmentError {
  const code = errorCode(error);
  const why = (code && WORDS[code]) ?? (error instanceof Error ? error.message : String(error));
  return new SegmentError(`${path} cannot be read: ${why}.`, {
    code: code === 'ENOENT' ? 'NOT_FOUND' : code === 'EACCES' || code === 'EPERM' ? 'DENIED' : 'UNREADABLE',
    hint: (code && HINTS[code]) ?? "Look at the kernel's log for the device below it.",
    cause: error,
  });
}

const WORDS: Record<string, string> = {
  ENOENT: 'there is no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'the device gave an I/O error',
  ELOOP: 'too many symbolic links',
};

const HINTS: Record<string, string> = {
  ENOENT: 'Check the path; a node renames a segment when it seals it, and removes it when retention says so.',
  EACCES: 'Run it as the user of the node, or with sudo.',
  EPERM: 'Run it as the user of the node, or with sudo.',
};

/** The system's code in an error of Node (`ENOENT`), or in one of the addon, which has the number. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('E')) return error.code;
  const text = 'message' in error ? String(error.message) : '';
  const number = 'errno' in error ? Number(error.errno) : Number(/\(os error (\d+)\)/.exec(text)?.[1]);
  return Object.entries(constants.errno).find(([, errno]) => errno === number)?.[0];
}
