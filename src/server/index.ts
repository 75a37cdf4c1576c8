export { createLog, type LogOptions } from './log.js';
export { LanceNode, type NodeOptions } from './node.js';
export type { NodePlacement } from './placement.js';
export { type ServeFlags, serve } from './serve.js';
