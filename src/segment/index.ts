export { SegmentError } from './errors.js';
export { type Inspection, type InspectOptions, inspectPaths } from './inspect.js';
export { type FileReport, firstKeyOf, lastKeyOf, reportDocument } from './report.js';
