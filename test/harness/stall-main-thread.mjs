// Preloaded into a node under test (`--import`): on SIGUSR2 its JavaScript thread spins for LANCE_TEST_STALL_MS, and
// then until LANCE_TEST_STALL_FILE.enough is there, so that nothing of the control plane runs. LANCE_TEST_STALL_FILE tells when.
import { appendFileSync, existsSync } from 'node:fs';

const file = process.env.LANCE_TEST_STALL_FILE;
const milliseconds = Number(process.env.LANCE_TEST_STALL_MS);

process.on('SIGUSR2', () => {
  appendFileSync(file, 'stalled\n');
  const until = performance.now() + milliseconds;
  while (performance.now() < until || !existsSync(`${file}.enough`));
  appendFileSync(file, 'released\n');
});
