import { z } from 'zod';
import { type Address, formatAddress, parseAddress } from './address.js';
import { formatDuration, formatSize, parseDuration, parseSize } from './quantity.js';

/** One key of lance.toml: how it is checked, what it is unless told, and how it is written and read. */
export interface Field<T> {
  /** Checks a TOML value and turns it into what modules use. */
  schema: z.ZodType<T>;
  /** In force unless told otherwise. */
  fallback: T;
  /** One sentence for the commented file and docs/configuration.md. */
  about: string;
  /** What is wanted, to end the sentence "KEY must be ...". */
  expects: string;
  /** The value as TOML. */
  write(value: T): string;
  /** The TOML value that the text of a variable or flag stands for. */
  read(text: string): unknown;
  /** Not shown by `lance config show` and left out of bundles. */
  secret?: boolean;
}

const quote = (text: string): string => JSON.stringify(text);
const wrong = (context: z.RefinementCtx, message = ''): never => {
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
};

interface Range {
  min: number;
  max: number;
  /** Only multiples of this. */
  multipleOf?: number;
}

const within = (value: number, { min, max, multipleOf = 1 }: Range): boolean =>
  value >= min && value <= max && value % multipleOf === 0;

/** A whole number. */
export function integer(about: string, fallback: number, range: Range): Field<number> {
  return {
    schema: z.int().refine((value) => within(value, range)),
    fallback,
    about,
    expects: `a whole number from ${range.min} to ${range.max}`,
    write: String,
    read: (text) => (/^-?\d+$/.test(text.trim()) ? Number(text) : text),
  };
}

/** A whole number that may be absent. */
export function optionalInteger(about: string, range: Range): Field<number | undefined> {
  const field = integer(about, range.min, range);
  return {
    ...field,
    schema: field.schema.optional(),
    fallback: undefined,
    write: (value) => String(value ?? range.min),
  };
}

/** Numbers of buffers, smallest class first. */
export function counts(about: string, fallback: readonly number[], range: Range): Field<readonly number[]> {
  return {
    schema: z.array(z.int().refine((value) => within(value, range))).length(fallback.length),
    fallback,
    about,
    expects: `a list of ${fallback.length} whole numbers from ${range.min} to ${range.max}`,
    write: (value) => `[${value.join(', ')}]`,
    read: (text) => text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : part)),
  };
}

/** Bytes: `256KiB` or a plain number. `zero` allows 0 besides the range, for "none". */
export function size(about: string, fallback: number, range: Range, zero = false): Field<number> {
  const step = range.multipleOf ? `, a multiple of ${formatSize(range.multipleOf)}` : '';
  return {
    schema: z.union([z.int(), z.string()]).transform((value, context) => {
      const bytes = typeof value === 'number' ? value : parseSize(value);
      const fits = bytes !== undefined && (within(bytes, range) || (zero && bytes === 0));
      return fits ? bytes : wrong(context);
    }),
    fallback,
    about,
    expects: `a size such as "${formatSize(fallback || range.min)}", from ${formatSize(range.min)} to ${formatSize(range.max)}${step}${zero ? ', or 0' : ''}`,
    write: (value) => (value === 0 ? '0' : quote(formatSize(value))),
    read: (text) => text,
  };
}

/** Milliseconds: `30s`, or a plain number of seconds. `zero` allows 0 besides the range, for "never". */
export function duration(about: string, fallback: number, range: Range, zero = false): Field<number> {
  return {
    schema: z.union([z.number().nonnegative(), z.string()]).transform((value, context) => {
      const ms = parseDuration(String(value));
      const fits = ms !== undefined && (within(ms, range) || (zero && ms === 0));
      return fits ? ms : wrong(context);
    }),
    fallback,
    about,
    expects: `a time such as "${formatDuration(fallback || range.min)}", from ${formatDuration(range.min)} to ${formatDuration(range.max)}${zero ? ', or 0' : ''}`,
    write: (value) => (value === 0 ? '0' : quote(formatDuration(value))),
    read: (text) => text,
  };
}

/** One of some words. */
export function choice<const W extends string>(about: string, fallback: W, words: readonly W[]): Field<W> {
  return {
    schema: z.enum(words) as unknown as z.ZodType<W>,
    fallback,
    about,
    expects: `one of ${words.map(quote).join(', ')}`,
    write: quote,
    read: (text) => text,
  };
}

/** true or false. */
export function flag(about: string, fallback: boolean): Field<boolean> {
  return {
    schema: z.boolean(),
    fallback,
    about,
    expects: 'true or false',
    write: String,
    read: (text) => ({ true: true, '1': true, false: false, '0': false })[text.trim().toLowerCase()] ?? text,
  };
}

/** Text, a path for instance; not empty. */
export function text(about: string, fallback: string, expects: string): Field<string> {
  return { schema: z.string().min(1), fallback, about, expects, write: quote, read: (value) => value };
}

/** Text that may be absent; `pattern` and `example` say which. */
export function optionalText(
  about: string,
  {
    pattern = /./,
    example,
    expects,
    secret = false,
  }: { pattern?: RegExp; example: string; expects: string; secret?: boolean },
): Field<string | undefined> {
  return {
    schema: z.string().regex(pattern).optional(),
    fallback: undefined,
    about,
    expects: `${expects} such as ${quote(example)}`,
    write: (value) => quote(value ?? example),
    read: (value) => value,
    secret,
  };
}

const addressText = z.string().transform((value, context): Address => {
  const parsed = parseAddress(value);
  return typeof parsed === 'string' ? wrong(context, `"${value}" is not: ${parsed}`) : parsed;
});

/** `HOST:PORT`. */
export function address(about: string, fallback: Address): Field<Address> {
  return {
    schema: addressText,
    fallback,
    about,
    expects: `an address such as "${formatAddress(fallback)}"`,
    write: (value) => quote(formatAddress(value)),
    read: (value) => value,
  };
}

/** A list of `HOST:PORT`; commas between them in a variable. */
export function addresses(about: string): Field<readonly Address[]> {
  return {
    schema: z.array(addressText),
    fallback: [],
    about,
    expects: 'a list of addresses such as ["lance-2:9000", "lance-3:9000"]',
    write: (value) => `[${value.map((one) => quote(formatAddress(one))).join(', ')}]`,
    read: (value) => (value.trim() === '' ? [] : value.split(',').map((part) => part.trim())),
  };
}
