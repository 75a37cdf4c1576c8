import { LanceError } from '../errors.js';

/** A counters file that cannot be read. The code says how: `COUNTERS_CUT`, `COUNTERS_VERSION`, `COUNTERS_FORMAT`. */
export class CountersError extends LanceError {
  constructor(code: 'COUNTERS_CUT' | 'COUNTERS_VERSION' | 'COUNTERS_FORMAT', message: string, hint: string) {
    super(message, { code, hint });
  }
}
