export { benchConsume, CONSUME_MODES, type ConsumeMode } from './consume.js';
export { BenchError } from './errors.js';
export { NOBODY, type Observer } from './observer.js';
export { type BenchOptions, DEFAULTS } from './options.js';
export type { BenchResult, Moment, Quantiles } from './result.js';
export { benchFloor, benchProduce } from './scenarios.js';
export { benchSweep, type Sweep, type SweepPoint } from './sweep.js';
export { ALL_WALKS, AXES, parseWalk, type Walk } from './sweep-axes.js';
