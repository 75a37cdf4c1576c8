/** What `lance serve` tells once connections are accepted (cli.md). */
export interface Ready {
  lwp: string;
  admin: string;
  nodeId: number;
  dataDir: string;
  backend: string;
  durability: string;
}

const DEFAULT_ENDPOINT = '127.0.0.1:1992';

/** Where the node listens and what to try next, for a person. */
export function describeReady(
  { lwp, admin, nodeId, dataDir, backend, durability }: Ready,
  version: string,
): string {
  // `npm start` puts no `lance` on the PATH; npx finds it in the repository.
  const lance = process.env.npm_lifecycle_event === 'start' ? 'npx lance' : 'lance';
  const endpoint = lwp === DEFAULT_ENDPOINT ? '' : ` --endpoint ${lwp}`;
  return `LANCE ${version}, node ${nodeId}, is ready (${backend}, ${durability}).

  clients  ${lwp}
  admin    http://${admin}
  data     ${dataDir}

Try in another terminal:

  ${lance} topic create events${endpoint}
  echo hello | ${lance} produce events${endpoint}
  ${lance} consume events${endpoint}

Ctrl-C drains and stops it.
`;
}
