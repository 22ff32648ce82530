const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** Milliseconds of a grpc-timeout field: at most eight digits and a unit. Undefined when it is not one. */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(value ?? "");
  if (match === null) return undefined;
  return Number(match[1]) * (unitMs[match[2] ?? ""] ?? 0);
}

/** The field for a wait: the finest unit in which it has eight digits at most; never less than one. */
export function formatGrpcTimeout(milliseconds: number): string {
  if (milliseconds < 99_999.999) return `${Math.max(1, Math.ceil(milliseconds * 1000))}u`;
  if (milliseconds < 99_999_999) return `${Math.ceil(milliseconds)}m`;
  return `${Math.min(99_999_999, Math.ceil(milliseconds / 1000))}S`;
}

const digitsMax = 99_999_999;

/** Whole milliseconds as Envoy writes them: the finest unit from milliseconds on in which it has eight digits at most. */
export function formatWholeGrpcTimeout(milliseconds: number): string {
  if (milliseconds <= digitsMax) return `${milliseconds}m`;
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds <= digitsMax) return `${seconds}S`;
  const minutes = Math.floor(seconds / 60);
  return minutes <= digitsMax ? `${minutes}M` : `${Math.min(digitsMax, Math.floor(minutes / 60))}H`;
}
