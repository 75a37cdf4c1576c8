/** JSON that may hold whole numbers beyond 2^53, written digit by digit. */
export type Json =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };

/** One line of JSON; a bigint becomes a plain number, an absent property is left out. */
export function stringify(value: Json): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map((item) => stringify(item ?? null)).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const properties = Object.entries(value)
      .filter(([, property]) => property !== undefined)
      .map(([key, property]) => `${JSON.stringify(key)}:${stringify(property)}`);
    return `{${properties.join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}
