// "Did you mean": the known word that is nearest to a mistyped one. Pure. The distance is the optimal string
// alignment distance: two swapped neighbours are one slip, because that is the commonest typing error.

/** Largest distance of a suggestion: a third of the word's length, at most three. */
const MAX_SLIPS = 3;

/** The nearest of `words`, or null if none is near enough. */
export function nearestWord(word: string, words: readonly string[]): string | null {
  let nearest: string | null = null;
  let fewest = Math.min(MAX_SLIPS, Math.ceil(word.length / 3)) + 1;
  for (const candidate of words) {
    const slips = candidate.startsWith(word) && word.length > 2 ? 1 : slipsBetween(word, candidate);
    if (slips < fewest) {
      fewest = slips;
      nearest = candidate;
    }
  }
  return nearest;
}

/** The least number of insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`. */
export function slipsBetween(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      let slips = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (isSame ? 0 : 1),
      );
      if (row > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1])
        slips = Math.min(slips, (beforeLast[column - 2] ?? 0) + 1);
      current.push(slips);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}
