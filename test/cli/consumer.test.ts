import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lance } from '../support/cli.js';

let server: Server;
let admin = '';
const consumers = [
  { id: '7', offset: 100, lag: 50, committedAt: 1_700_000_000 },
  { id: '18446744073709551615', offset: 10, lag: 2048, committedAt: 1_700_000_060 },
];

beforeAll(async () => {
  server = createServer((request, response) => {
    const known = request.url === '/v1/topics/my.events/consumers';
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(known ? { consumers } : { error: {} }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  admin = `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
});
afterAll(() => {
  server.close();
});

const run = (...args: string[]) => lance(['consumer', ...args], { env: { LANCE_ADMIN: admin } });

describe('lance consumer', () => {
  it('list shows committed offsets; ids are strings in JSON', async () => {
    expect(JSON.parse((await run('list', 'my.events', '--json')).stdout)).toEqual({
      topic: 'my.events',
      consumers,
    });
    expect((await run('list', 'my.events')).stdout).toContain(
      '18446744073709551615      10    2048  2023-11-14T22:14:20',
    );
  });

  it('lag puts the one that is furthest behind first', async () => {
    const { consumers: sorted, maxLag } = JSON.parse((await run('lag', 'my.events', '--json')).stdout);
    expect(sorted.map(({ id }: { id: string }) => id)).toEqual(['18446744073709551615', '7']);
    expect(maxLag).toBe(2048);
  });

  it('ends with 1 for an unknown topic and for an endpoint that does not answer', async () => {
    const unknown = await run('list', 'nowhere');
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringContaining('There is no topic "nowhere".'),
    ]);
    const closed = await run('lag', 'my.events', '--admin', '127.0.0.1:1');
    expect([closed.code, closed.stderr]).toEqual([1, expect.stringContaining('does not answer')]);
  });
});
