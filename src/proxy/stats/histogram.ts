import { bucketBounds } from "./histogram-buckets.ts";

/** Counts by bucket, lowest first, without the empty ones. */
export type Buckets = readonly (readonly [bucket: number, count: number])[];

export interface HistogramValue {
  readonly name: string;
  readonly count: number;
  readonly sum: number;
  /** Since the start. */
  readonly buckets: Buckets;
  /** Of the last flush interval that is over. */
  readonly interval: Buckets;
}

export const quantiles: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

export function countOf(buckets: Buckets): number {
  return buckets.reduce((sum, [, count]) => sum + count, 0);
}

/** The sum as far as buckets tell it: every value counts as its bucket's middle. */
export function sumOf(buckets: Buckets): number {
  return buckets.reduce((sum, [bucket, count]) => {
    const { lower, width } = bucketBounds(bucket);
    return sum + count * (lower + width / 2);
  }, 0);
}

/**
 * The recorded value at rank ⌈percent × count⌉. The n values of a bucket are taken to divide it into n + 1 equal parts, as Envoy
 * does, so one value is the bucket's middle. NaN without values.
 */
export function quantile(buckets: Buckets, percent: number): number {
  const total = countOf(buckets);
  const rank = Math.max(1, Math.ceil((percent / 100) * total));
  let below = 0;
  for (const [bucket, count] of buckets) {
    if (below + count >= rank) {
      const { lower, width } = bucketBounds(bucket);
      return lower + (width * (rank - below)) / (count + 1);
    }
    below += count;
  }
  return Number.NaN;
}

/** How many values are below each of `bounds`; a bucket that a bound cuts counts whole, by its lower end. */
export function countsBelow(buckets: Buckets, bounds: readonly number[]): number[] {
  let seen = 0;
  let at = 0;
  return bounds.map((bound) => {
    for (let next = buckets[at]; next !== undefined; next = buckets[++at]) {
      if (bucketBounds(next[0]).lower > bound) break;
      seen += next[1];
    }
    return seen;
  });
}

/** `now` less `before`, which is an earlier state of the same histogram. */
export function difference(now: Buckets, before: Buckets): Buckets {
  const old = new Map(before);
  return now
    .map(([bucket, count]) => [bucket, count - (old.get(bucket) ?? 0)] as const)
    .filter(([, count]) => count > 0);
}
