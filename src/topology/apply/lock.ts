import { statSync } from 'node:fs';
import { createServer } from 'node:net';
import { errnoOf, TopologyError } from '../errors.js';

/**
 * Makes sure that one process at a time steers the machine below `root`: an abstract socket named after the root directory. The kernel
 * gives it back when the process ends in whatever way, so no crash leaves it behind. Returns the release. Raises BUSY.
 */
export async function lockRoot(root: string): Promise<() => void> {
  const { dev, ino } = statSync(root);
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const taken = errnoOf(error) === 'EADDRINUSE';
      reject(
        new TopologyError(
          'BUSY',
          taken
            ? 'another `lance topology` is steering this machine'
            : `the lock could not be taken: ${error.message}`,
          taken
            ? 'wait for it to end and look at what it did with --check'
            : 'abstract sockets must be allowed to this process',
        ),
      );
    });
    server.listen(`\0lance-topology-${dev}-${ino}`, resolve);
  });
  server.unref();
  return () => {
    server.close();
  };
}
