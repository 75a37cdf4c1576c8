// Preloaded into a node that `stall.mjs` measures (`--import`): SIGUSR2 takes its JavaScript thread away in the manner, and for
// the milliseconds, that the file LANCE_BENCH_STALL names: `block 10000`, `spin 10000` or `collect 10000`.
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

const manners = {
  // The thread sleeps: nothing of the control plane runs, and nothing takes a CPU from others.
  block: (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  spin: (ms) => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  },
  collect: (ms) => {
    const until = performance.now() + ms;
    while (performance.now() < until) gc();
  },
};

process.on('SIGUSR2', () => {
  const [manner, ms] = readFileSync(process.env.LANCE_BENCH_STALL, 'utf8').trim().split(' ');
  manners[manner](Number(ms));
});
