/** The word that a user probably meant, if one is near enough. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "x"?`, or nothing. */
export function hint(word: string, words: Iterable<string>): string {
  const candidate = nearest(word, words);
  return candidate === undefined ? "" : `; did you mean "${candidate}"?`;
}

function editDistance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index);
  let twoAbove = above;
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const substitution = from[row - 1] === to[column - 1] ? 0 : 1;
      // Two letters that changed places are one mistake.
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      line.push(
        Math.min(
          (above[column] ?? 0) + 1,
          (line[column - 1] ?? 0) + 1,
          (above[column - 1] ?? 0) + substitution,
          swapped && row > 1 && column > 1 ? (twoAbove[column - 2] ?? 0) + 1 : Number.MAX_VALUE,
        ),
      );
    }
    twoAbove = above;
    above = line;
  }
  return above[to.length] ?? 0;
}
