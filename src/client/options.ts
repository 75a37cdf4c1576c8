import { type Address, parseAddress } from '../config/index.js';
import { ExitCode, LanceError } from '../errors.js';

/** TLS material, PEM. An empty object trusts the system's authorities. */
export interface TlsOptions {
  ca?: string | Buffer | undefined;
  cert?: string | Buffer | undefined;
  key?: string | Buffer | undefined;
}

/** How a client reaches a node. */
export interface ConnectionOptions {
  /** `HOST:PORT`, several separated by commas: the first that answers serves. 127.0.0.1:1992 unless told. */
  endpoint?: string | undefined;
  /** For connecting and for each answer, milliseconds; 10,000 unless told. */
  timeout?: number | undefined;
  /** What Authenticate is sent, where the node asks for it. */
  token?: string | undefined;
  tls?: TlsOptions | undefined;
  /** The name under which Hello introduces this client. */
  clientName?: string | undefined;
}

export const DEFAULT_ENDPOINT = '127.0.0.1:1992';
export const DEFAULT_TIMEOUT = 10_000;

/** Takes `H:P[,H:P...]` apart. Throws LanceError with exit code 2 for what is no address. */
export function parseEndpoints(text: string): Address[] {
  return text.split(',').map((part) => {
    const address = parseAddress(part);
    if (typeof address !== 'string' && address.port !== 0) return address;
    const reason = typeof address === 'string' ? address : 'port 0 cannot be connected to';
    throw new LanceError(`"${part.trim()}" is no endpoint: ${reason}.`, {
      code: 'BAD_ENDPOINT',
      hint: `Write HOST:PORT, such as ${DEFAULT_ENDPOINT}; several with commas between.`,
      exitCode: ExitCode.usage,
    });
  });
}
