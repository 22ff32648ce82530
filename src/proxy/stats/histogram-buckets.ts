/**
 * Log-linear buckets with two significant digits, as Envoy's circllhist: 90 a decade from 1 to 10^10, and one for what is below 1.
 */
const decades = 10;
export const bucketCount: number = 1 + decades * 90;
const powers: readonly number[] = Array.from(
  { length: decades + 1 },
  (_, exponent) => 10 ** exponent,
);

export function bucketOf(value: number): number {
  if (!(value >= 1)) return 0;
  let exponent = 0;
  while (exponent < decades - 1 && value >= (powers[exponent + 1] ?? 0)) exponent++;
  const digits = Math.min(99, Math.floor((value * 10) / (powers[exponent] ?? 1)));
  return 1 + exponent * 90 + (digits - 10);
}

/** [lower, upper) of a bucket. */
export function bucketBounds(bucket: number): readonly [number, number] {
  if (bucket === 0) return [0, 1];
  const exponent = Math.floor((bucket - 1) / 90);
  const digits = ((bucket - 1) % 90) + 10;
  const unit = (powers[exponent] ?? 1) / 10;
  return [digits * unit, (digits + 1) * unit];
}
