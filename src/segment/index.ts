export type { BatchSeen } from '../engine/index.js';
export { collect } from './collect.js';
export { eachBatch } from './each.js';
export { SegmentError } from './errors.js';
export { indexEntries as eachEntry } from './index-file.js';
export { type Inspection, type InspectOptions, inspectPaths } from './inspect.js';
export { parseSegmentName } from './names.js';
export type { Address, Passed, SeenRecord } from './records.js';
export { type FileReport, firstKeyOf, lastKeyOf, reportDocument } from './report.js';
