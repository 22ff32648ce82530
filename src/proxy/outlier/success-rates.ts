/** A host's share of successes in the last interval, in percent. */
export interface HostRate<H> {
  readonly host: H;
  readonly rate: number;
}

export interface SuccessRateThreshold {
  readonly average: number;
  /** A host below it is an outlier. */
  readonly threshold: number;
}

export const noThreshold: SuccessRateThreshold = { average: -1, threshold: -1 };

/** The mean less so many standard deviations of the whole population. */
export function successRateThreshold(
  rates: readonly { readonly rate: number }[],
  stdevFactor: number,
): SuccessRateThreshold {
  let sum = 0;
  for (const { rate } of rates) sum += rate;
  const average = sum / rates.length;
  let squares = 0;
  for (const { rate } of rates) squares += (rate - average) ** 2;
  return { average, threshold: average - stdevFactor * Math.sqrt(squares / rates.length) };
}
