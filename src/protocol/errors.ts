import { LanceError } from '../errors.js';

/** Bytes that are not LWP 1.0, or not an answer that makes sense here. The connection they came from cannot go on. */
export class ProtocolError extends LanceError {
  constructor(
    message: string,
    hint = 'Is it a LANCE node that listens there, of the same version as this client?',
  ) {
    super(message, { code: 'PROTOCOL', hint });
  }
}
