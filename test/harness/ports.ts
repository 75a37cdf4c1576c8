/** Ports that are named before somebody listens on them. */
import { createServer } from 'node:net';

/**
 * A free port that nobody is given unasked: below those that the kernel hands out (ip_local_port_range), so that it is
 * still free when it is used, also a second time, and no connection attempt meets itself there.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; ; tries++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer();
    const got = await new Promise<boolean>((done) => {
      server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true));
    });
    if (got) {
      await new Promise((closed) => server.close(closed));
      return port;
    }
    if (tries > 100) throw new Error('no port is free');
  }
}
