// Preloaded into a node under test (`--import`): on SIGUSR2 its JavaScript thread spins for LANCE_TEST_STALL_MS,
// so that nothing of the control plane runs. The file LANCE_TEST_STALL_FILE tells when.
import { appendFileSync } from 'node:fs';

const file = process.env.LANCE_TEST_STALL_FILE;
const milliseconds = Number(process.env.LANCE_TEST_STALL_MS);

process.on('SIGUSR2', () => {
  appendFileSync(file, 'stalled\n');
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
  appendFileSync(file, 'released\n');
});
