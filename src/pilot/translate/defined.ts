export type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined: ProtoJSON has no such value. */
export function defined<T extends object>(value: T): Defined<T> {
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  // Proof: the same keys and values, but for those left out, which `Defined` makes optional.
  return Object.fromEntries(entries) as Defined<T>;
}
