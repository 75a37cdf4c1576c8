export * from './batch.js';
export { type ChecksumKind, checksum } from './checksum.js';
export * from './commands.js';
export { errorHint, errorName, isOutcomeUnknown, isRetryable } from './error-codes.js';
export { ProtocolError } from './errors.js';
export { type Frame, FrameDecoder, type FrameDecoderOptions } from './frame-decoder.js';
export * from './header.js';
export * from './tlv.js';
