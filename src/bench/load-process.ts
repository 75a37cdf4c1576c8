// The process of a load generator or a floor: native code on the main thread, and nothing else. Started by child.ts.
import { runLoad } from '../engine/index.js';

process.exitCode = runLoad(process.argv.slice(2));
