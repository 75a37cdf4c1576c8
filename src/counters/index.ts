export { CountersError } from './errors.js';
export { Histogram, QUANTILES } from './histogram.js';
export { histogramOf, samplesOf, total } from './lookup.js';
export {
  countersLength,
  HEARTBEAT_STALE_NS,
  type HistogramSample,
  isAlive,
  type NumberSample,
  readCounters,
  type Sample,
  type Snapshot,
  type Unit,
} from './read.js';
export type { CommitRow, EventRow, Tables, TopicRow } from './tables.js';
