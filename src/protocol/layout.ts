import { ProtocolError } from './errors.js';

/** How one field of a fixed layout is read and written. */
export interface Scalar<T> {
  bytes: number;
  read(from: Buffer, at: number): T;
  write(to: Buffer, at: number, value: T): void;
}

/** An unsigned byte. */
export const u8: Scalar<number> = {
  bytes: 1,
  read: (from, at) => from.readUInt8(at),
  write: (to, at, value) => to.writeUInt8(value, at),
};

/** An unsigned 32-bit number. */
export const u32: Scalar<number> = {
  bytes: 4,
  read: (from, at) => from.readUInt32LE(at),
  write: (to, at, value) => to.writeUInt32LE(value, at),
};

/** An unsigned 64-bit number. */
export const u64: Scalar<bigint> = {
  bytes: 8,
  read: (from, at) => from.readBigUInt64LE(at),
  write: (to, at, value) => to.writeBigUInt64LE(value, at),
};

/** 16 bytes, for instance a sort key as it lies in `.idx`. */
export const bytes16: Scalar<Buffer> = {
  bytes: 16,
  read: (from, at) => Buffer.from(from.subarray(at, at + 16)),
  write: (to, at, value) => value.copy(to, at),
};

/** Fields by name. */
export type Fields = Record<string, Scalar<never> | Scalar<number> | Scalar<bigint> | Scalar<Buffer>>;
/** What a field holds. */
export type Value<F> = F extends Scalar<infer T> ? T : never;

/** The values of a layout's fields. */
export type LayoutValues<F extends Fields> = { [K in keyof F]: Value<F[K]> };

/** A payload of fixed fields, little-endian, without padding. */
export interface Layout<F extends Fields> {
  bytes: number;
  encode(values: LayoutValues<F>): Buffer;
  /** Reads the first `bytes`; throws ProtocolError when `payload` is shorter. What follows them is the caller's. */
  decode(payload: Buffer): LayoutValues<F>;
}

/** A layout whose fields follow each other in the order in which they are named; `name` is for messages. */
export function layout<F extends Fields>(name: string, fields: F): Layout<F> {
  let bytes = 0;
  const places = Object.entries(fields).map(([key, scalar]) => {
    const place = { key, scalar: scalar as Scalar<unknown>, at: bytes };
    bytes += scalar.bytes;
    return place;
  });
  return {
    bytes,
    encode(values) {
      const payload = Buffer.alloc(bytes);
      for (const { key, scalar, at } of places) scalar.write(payload, at, values[key]);
      return payload;
    },
    decode(payload) {
      if (payload.length < bytes)
        throw new ProtocolError(`${name} has ${payload.length} bytes; ${bytes} are needed.`);
      return Object.fromEntries(
        places.map(({ key, scalar, at }) => [key, scalar.read(payload, at)]),
      ) as LayoutValues<F>;
    },
  };
}
