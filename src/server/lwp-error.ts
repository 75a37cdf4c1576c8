import { EngineRefusal } from '../engine/index.js';
import { LanceError } from '../errors.js';
import { ProtocolError } from '../protocol/index.js';
import { errorCode, words } from './errors.js';

/** Error codes that the control plane answers with (lwp.md, "Error codes"). */
export const LwpCode = {
  unknown: 0x01,
  invalidPayload: 0x04,
  topicNotFound: 0x10,
  topicExists: 0x11,
  invalidTopicName: 0x12,
  topicDeleted: 0x13,
  accessDenied: 0x42,
  internal: 0x60,
  storage: 0x61,
} as const;

/** What a control request is answered with when it fails. */
export class LwpError extends LanceError {
  constructor(
    readonly lwpCode: number,
    message: string,
  ) {
    super(message, { code: `LWP_${lwpCode.toString(16)}` });
  }
}

/** Any failure as the error that the client gets; what is not expected becomes 0x60, and storage's become 0x61. */
export function asLwpError(error: unknown): LwpError {
  if (error instanceof LwpError) return error;
  if (error instanceof EngineRefusal) return new LwpError(error.refusal.code, error.message);
  if (error instanceof ProtocolError) return new LwpError(LwpCode.invalidPayload, words(error));
  // Node's own errors carry the system's code, ENOSPC for instance.
  if (!(error instanceof LanceError) && errorCode(error)?.startsWith('E'))
    return new LwpError(LwpCode.storage, `Storage failed: ${words(error)}`);
  return new LwpError(LwpCode.internal, words(error));
}
