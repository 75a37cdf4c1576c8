export { benchConsume, CONSUME_MODES, type ConsumeMode } from './consume.js';
export { BenchError } from './errors.js';
export { NOBODY, type Observer } from './observer.js';
export { type BenchOptions, DEFAULTS } from './options.js';
export type { BenchResult, Moment, Quantiles } from './result.js';
export { benchFloor, benchProduce } from './scenarios.js';
