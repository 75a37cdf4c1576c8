import { readFileSync } from 'node:fs';
import { Flags } from '@oclif/core';
import { type ConnectionOptions, type Durability, parseEndpoints } from '../client/index.js';
import { parseDuration, parseSize } from '../config/index.js';
import { ExitCode, LanceError } from '../errors.js';

/** A flag whose value is a size: bytes. */
export const sizeFlag = Flags.custom<number>({
  helpValue: 'SIZE',
  parse: async (text, _context, { name }) =>
    parseSize(text) ?? refuse(name, text, 'a size such as 256KiB or 10GiB'),
});

/** A flag whose value is a time: milliseconds. */
export const durationFlag = Flags.custom<number>({
  helpValue: 'TIME',
  parse: async (text, _context, { name }) =>
    parseDuration(text) ?? refuse(name, text, 'a time such as 250ms, 30s or 7d'),
});

/** A flag whose value is a number of 64 bits. */
export const idFlag = Flags.custom<bigint>({
  helpValue: 'ID',
  parse: async (text, _context, { name }) =>
    /^\d{1,20}$/.test(text) && BigInt(text) < 2n ** 64n
      ? BigInt(text)
      : refuse(name, text, 'a number below 2^64'),
});

function refuse(name: string, text: string, expected: string): never {
  throw new LanceError(`--${name} must be ${expected}, not "${text}".`, {
    code: 'USAGE',
    hint: 'See --help for an example.',
    exitCode: ExitCode.usage,
  });
}

/** The flags of every command that talks to a node. */
export const nodeFlags = {
  endpoint: Flags.string({
    helpGroup: 'NODE',
    helpValue: 'H:P[,H:P...]',
    env: 'LANCE_ENDPOINT',
    default: '127.0.0.1:1992',
    description: 'where the node listens; the first that answers serves',
  }),
  timeout: durationFlag({
    helpGroup: 'NODE',
    default: 10_000,
    defaultHelp: async () => '10s',
    description: 'for connecting and for each answer',
  }),
  token: Flags.string({
    helpGroup: 'NODE',
    env: 'LANCE_TOKEN',
    description: 'what the node asks of clients',
  }),
  'tls-ca': Flags.string({
    helpGroup: 'NODE',
    helpValue: 'FILE',
    description: 'use TLS and trust these authorities, PEM',
  }),
  cert: Flags.string({
    helpGroup: 'NODE',
    helpValue: 'FILE',
    dependsOn: ['key-file'],
    description: 'own certificate, PEM',
  }),
  'key-file': Flags.string({
    helpGroup: 'NODE',
    helpValue: 'FILE',
    dependsOn: ['cert'],
    description: 'its private key, PEM',
  }),
};

/** What `nodeFlags` parse to. */
export interface NodeFlags {
  endpoint: string;
  timeout: number;
  token?: string | undefined;
  'tls-ca'?: string | undefined;
  cert?: string | undefined;
  'key-file'?: string | undefined;
}

/** How to reach the node that the flags name. Throws LanceError, exit code 2, for a bad address or an unreadable file. */
export function connectionOptions(flags: NodeFlags): ConnectionOptions {
  parseEndpoints(flags.endpoint);
  const { endpoint, timeout, token } = flags;
  const [ca, cert, key] = [pem(flags['tls-ca']), pem(flags.cert), pem(flags['key-file'])];
  const tls = ca || cert ? { ca, cert, key } : undefined;
  return { endpoint, timeout, token, tls, clientName: 'lance-cli' };
}

function pem(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new LanceError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, {
      code: 'FILE_UNREADABLE',
      hint: 'Check the path and who may read it.',
      exitCode: ExitCode.usage,
      cause: error,
    });
  }
}

/** The settings of a topic that can be given as flags. */
export const topicFlags = {
  'max-age': durationFlag({ description: 'delete what is older; 0 keeps it' }),
  'max-bytes': sizeFlag({ description: 'delete the oldest beyond this size; 0 keeps it' }),
  durability: Flags.option({ options: ['durable', 'written'] as const })({
    description: 'when an ack leaves: on stable storage, or when the device accepted the write',
  }),
};

/** What `topicFlags` mean to Admin; a part of a second counts as a whole one. */
export function topicSettings(flags: {
  'max-age'?: number | undefined;
  'max-bytes'?: number | undefined;
  durability?: Durability | undefined;
}): { maxAgeSecs: number | undefined; maxBytes: number | undefined; durability: Durability | undefined } {
  const age = flags['max-age'];
  return {
    maxAgeSecs: age === undefined ? undefined : Math.ceil(age / 1000),
    maxBytes: flags['max-bytes'],
    durability: flags.durability,
  };
}

/** The flags of commands that ask the admin endpoint. */
export const adminFlags = {
  admin: Flags.string({
    helpValue: 'H:P',
    env: 'LANCE_ADMIN',
    default: '127.0.0.1:1993',
    description: 'admin endpoint of the node',
  }),
  timeout: nodeFlags.timeout,
};
