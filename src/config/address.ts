import { isIP } from 'node:net';

/** A host and a port. Port 0 lets the system pick one where it is listened on. */
export interface Address {
  host: string;
  port: number;
}

const HOST_NAME =
  /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;

/** Reads `127.0.0.1:1992`, `[::1]:1992` or `lance-2:9000`; a sentence on what is wrong with it otherwise. */
export function parseAddress(text: string): Address | string {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text.trim());
  if (!match) {
    return text.includes(':') && isIP(text.trim()) === 6
      ? 'an IPv6 address stands in brackets and a port follows'
      : 'a host, a colon and a port are wanted';
  }
  const port = Number(match[3]);
  if (port > 65_535) return `port ${match[3]} is above 65535`;
  const bracketed = match[1];
  if (bracketed !== undefined) {
    return isIP(bracketed) === 6 ? { host: bracketed, port } : `[${bracketed}] is no IPv6 address`;
  }
  const host = match[2] ?? '';
  if (host === '') return 'the host is missing; 0.0.0.0 stands for every address of the machine';
  if (isIP(host) === 0 && /^[\d.]+$/.test(host)) return `${host} is no IPv4 address`;
  if (isIP(host) === 0 && !HOST_NAME.test(host)) return `"${host}" is no host name`;
  return { host, port };
}

/** `127.0.0.1:1992`, `[::1]:1992`. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
