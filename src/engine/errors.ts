import { LanceError } from '../errors.js';
import type { Refusal } from './types.js';

/** The engine is absent, does not start, or no longer runs. */
export class EngineError extends LanceError {}

/** The engine refused a command. `refusal` is what it said, with an LWP error code. */
export class EngineRefusal extends LanceError {
  constructor(readonly refusal: Refusal) {
    super(sentence(refusal), {
      code: `ENGINE_${refusal.reason.replace(/(?!^)([A-Z])/g, '_$1').toUpperCase()}`,
    });
  }
}

/** The sentences for what can come back to the control plane (native/engine/src/error.rs, `Reason`). */
function sentence({ reason, value, bound }: Refusal): string {
  switch (reason) {
    case 'TopicUnknown':
      return `Topic ${value} not found`;
    case 'TopicDeleted':
      return `Topic ${value} was deleted`;
    case 'TopicFrozen':
      return `Topic ${value} is frozen at offset ${bound} after a storage error`;
    case 'TopicQuarantined':
      return `Topic ${value} takes no writes: its stored data is damaged`;
    case 'JournalFailed':
      return 'The journal cannot be written';
    case 'DiskFull':
      return 'The disk is full';
    case 'Overloaded':
      return 'The node is overloaded';
    case 'Draining':
      return 'The node is going down';
    default:
      return `The engine refused it: ${reason} (${value}, ${bound})`;
  }
}
