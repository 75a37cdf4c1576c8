import { distance } from 'fastest-levenshtein';

/** The word of `known` that `word` was probably meant to be, when one is near enough to say so. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(plain(word), plain(candidate)) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (!best) return undefined;
  const { length } = best.candidate;
  // Two letters that changed places are two edits; a third of a long word may be wrong, never all of a short one.
  return best.edits <= Math.min(length - 1, Math.max(2, Math.floor(length / 3))) ? best.candidate : undefined;
}

/** `batchSize`, `batch-size` and `batch_size` are one word to a person. */
function plain(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '');
}
