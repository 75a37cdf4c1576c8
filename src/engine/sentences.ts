import type { LogEntry } from './types.js';

/** One line of the log about what the engine tells. */
export interface Sentence {
  level: 'info' | 'warn' | 'error' | 'debug';
  text: string;
}

/** The words for what the engine tells; `topicName` gives a topic's name by id. */
export function sentenceOf(entry: LogEntry, topicName: (id: number) => string): Sentence {
  switch (entry.event) {
    case 'badPeer': {
      const more = entry.unreported > 0n ? `; ${entry.unreported} more since the last such line` : '';
      return {
        level: 'warn',
        text: `closed the connection from ${entry.peer}: ${PEERS[entry.what] ?? entry.what}${more}`,
      };
    }
    case 'connectionLimit':
      return { level: 'warn', text: `refused ${entry.peer}: limits.connections (${entry.limit}) is reached` };
    case 'segmentOpened':
      return {
        level: 'debug',
        text: `topic ${topicName(entry.topic)}: new segment from offset ${entry.baseOffset}`,
      };
    case 'segmentSealed':
      return {
        level: 'debug',
        text: `topic ${topicName(entry.topic)}: sealed the segment from offset ${entry.baseOffset}, ${entry.end} bytes`,
      };
    case 'segmentsRemoved':
      return {
        level: 'info',
        text: `topic ${topicName(entry.topic)}: removed ${entry.segments} ${entry.segments === 1 ? 'segment' : 'segments'} (${entry.bytes} bytes) below offset ${entry.belowOffset}`,
      };
    case 'topicFrozen':
      return {
        level: 'error',
        text: `topic ${topicName(entry.topic)} is frozen at offset ${entry.offset}: ${entry.what} failed with errno ${entry.errno}. It serves reads; check the disk, then restart the node to recover it`,
      };
    case 'journalFailed':
      return {
        level: 'error',
        text: `the journal failed: ${entry.what}, errno ${entry.errno}. Check the disk, then restart the node`,
      };
    case 'damageFound':
      return {
        level: 'error',
        text: `topic ${topicName(entry.topic)}: stored bytes are damaged at offset ${entry.offset}; see \`lance segment verify\``,
      };
    case 'limitHit':
      return {
        level: 'warn',
        text: `limits.${entry.limit} was reached${entry.times === 1n ? '' : ` ${entry.times} times`}; more load waits`,
      };
    case 'backpressure':
      return {
        level: 'warn',
        text: `backpressure: sockets were left unread ${entry.pauses} times; ${entry.paused} ${entry.paused === 1n ? 'is' : 'are'} now`,
      };
    case 'background':
      return {
        level: 'warn',
        text: `${entry.what}${entry.path === '' ? '' : ` of ${entry.path}`} failed with errno ${entry.errno} and will be tried again`,
      };
  }
}

const PEERS: Readonly<Record<string, string>> = {
  magic: 'its first bytes are not LWP',
  version: 'it speaks another version of LWP',
  'header-checksum': 'a frame header had a wrong checksum',
  'first-frame-timeout': 'no valid frame came within limits.frame_timeout',
  'frame-timeout': 'a frame was not complete within limits.frame_timeout',
  'idle-timeout': 'it was idle for limits.idle_timeout',
  'does-not-read': 'it does not read what it is sent',
};
