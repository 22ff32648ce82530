/**
 * Log-linear buckets with two significant digits, as Envoy's circllhist: one for zero, then 90 a decade from 1 to 10^10. Values are
 * whole numbers (milliseconds, bytes, counts), so nothing lies between zero and 1. What is larger falls into the last bucket.
 */
export const decadeCount = 10;
export const bucketsPerDecade = 90;
export const bucketCount: number = 1 + decadeCount * bucketsPerDecade;

const powers: readonly number[] = Array.from(
  { length: decadeCount + 1 },
  (_, exponent) => 10 ** exponent,
);

export function bucketOf(value: number): number {
  if (!(value >= 1)) return 0;
  let decade = 0;
  while (decade < decadeCount - 1 && value >= (powers[decade + 1] ?? 0)) decade++;
  return 1 + decade * bucketsPerDecade + placeInDecade(value, powers[decade] ?? 1);
}

/** 0…89: the first two digits of a value, less ten. `power` is the decade's lowest value. */
export function placeInDecade(value: number, power: number): number {
  return Math.min(bucketsPerDecade - 1, Math.floor((value * 10) / power) - 10);
}

/** Lower bound and width of a bucket. */
export function bucketBounds(bucket: number): { readonly lower: number; readonly width: number } {
  if (bucket === 0) return { lower: 0, width: 0 };
  const decade = Math.floor((bucket - 1) / bucketsPerDecade);
  const digits = ((bucket - 1) % bucketsPerDecade) + 10;
  // Divided, not multiplied by a tenth: 1.1 must be 1.1.
  const power = powers[decade] ?? 1;
  return { lower: (digits * power) / 10, width: power / 10 };
}
