/** LWP error codes with their stable names (lwp.md, "Error codes") and what to do about them. */
const ERRORS: Readonly<Record<number, { name: string; hint: string }>> = {
  1: { name: 'UNKNOWN', hint: 'The node did not accept the frame; its log may say more.' },
  3: {
    name: 'PAYLOAD_TOO_LARGE',
    hint: 'Send smaller records or batches, or raise limits.max_frame on the node.',
  },
  4: { name: 'INVALID_PAYLOAD', hint: 'The content of the request is malformed.' },
  5: { name: 'CHECKSUM', hint: 'The bytes were damaged on their way: send them again.' },
  6: { name: 'VERSION', hint: 'Client and node speak different versions.' },
  16: {
    name: 'TOPIC_NOT_FOUND',
    hint: 'See `lance topic list` for those there are, or create it with `lance topic create`.',
  },
  17: { name: 'TOPIC_EXISTS', hint: 'Use it as it is, or choose another name.' },
  18: {
    name: 'INVALID_TOPIC_NAME',
    hint: 'A name has 1 to 249 of A-Z a-z 0-9 . _ - and is not "." or "..".',
  },
  19: { name: 'TOPIC_DELETED', hint: 'Its data is gone; a new topic of the same name is another topic.' },
  32: { name: 'NOT_LEADER', hint: 'Send it to the leader, or again a little later.' },
  33: { name: 'QUORUM_NOT_REACHED', hint: 'Whether it was stored is not known. See `lance cluster status`.' },
  34: { name: 'LEADER_UNKNOWN', hint: 'Send it again a little later.' },
  35: { name: 'CLUSTER_NOT_READY', hint: 'Send it again a little later.' },
  48: { name: 'RATE_LIMITED', hint: 'Send less at once, or again a little later.' },
  49: { name: 'BACKPRESSURE', hint: 'Send less at once, or again a little later.' },
  50: {
    name: 'CONNECTION_LIMIT',
    hint: 'Close connections that are not needed, or raise limits.connections.',
  },
  64: { name: 'AUTHENTICATION_REQUIRED', hint: 'Give a token with --token.' },
  65: { name: 'AUTHENTICATION_FAILED', hint: 'Check the token.' },
  66: { name: 'ACCESS_DENIED', hint: 'This is not allowed, or not to this token.' },
  80: { name: 'INVALID_OFFSET', hint: 'Start where a record starts.' },
  81: { name: 'OFFSET_OUT_OF_RANGE', hint: '`lance topic describe` shows the first and the last offset.' },
  82: {
    name: 'CONSUMER_NOT_FOUND',
    hint: 'Nothing was committed for this consumer, or too long ago (limits.commit_ttl).',
  },
  96: { name: 'INTERNAL', hint: "The node's log says more." },
  97: { name: 'STORAGE', hint: "A disk is full, failing or damaged: the node's log says which." },
  98: { name: 'TIMEOUT', hint: 'Whether it was stored is not known.' },
};

/** Codes that mean "certainly not stored, try again" (lwp.md, "Frames"). */
const RETRYABLE = new Set([0x20, 0x22, 0x23, 0x30, 0x31]);
/** Codes after which nobody knows whether it was stored. */
const UNKNOWN_OUTCOME = new Set([0x21, 0x62]);

/** `TOPIC_NOT_FOUND` for 0x10; `LWP_0X7F` for a code that is not known. */
export function errorName(code: number): string {
  return ERRORS[code]?.name ?? `LWP_0X${code.toString(16).toUpperCase()}`;
}

/** The next step after an error with this code. */
export function errorHint(code: number): string {
  return ERRORS[code]?.hint ?? "The node's log may say more.";
}

export function isRetryable(code: number): boolean {
  return RETRYABLE.has(code);
}

export function isOutcomeUnknown(code: number): boolean {
  return UNKNOWN_OUTCOME.has(code);
}
