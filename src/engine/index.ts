export { DISCARD_VARIABLE, discardKey, makeDiscardDirectory } from './discard.js';
export { EngineError, EngineRefusal } from './errors.js';
export * from './inspect.js';
export { startEngine } from './native-engine.js';
export { exitNow, type LockResult, lockDirectory, notifyServiceManager, runLoad } from './process.js';
export type * from './types.js';
