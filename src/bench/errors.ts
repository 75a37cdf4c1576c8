import { LanceError } from '../errors.js';

/** A benchmark could not be run, or not to its end. */
export class BenchError extends LanceError {}
