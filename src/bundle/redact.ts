const HIDDEN = '(hidden)';

/** Patterns of what must not leave a machine; the first group is kept. */
const SECRETS: readonly RegExp[] = [
  /(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /(\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}/gi,
  /(\b[\w.-]*(?:token|secret|password|passwd|api_?key)[\w-]*\\?["']?\s*[:=]\s*\\?["']?)(?!\(hidden\))[^\s"'\\,;}]+/gi,
];

/** `text` without private keys, tokens, passwords and the like. */
export function redact(text: string): string {
  return SECRETS.reduce((rest, pattern) => rest.replace(pattern, `$1${HIDDEN}`), text);
}
