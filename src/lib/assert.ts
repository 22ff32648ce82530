/** A broken invariant ends the worker: what cannot happen must not be carried on with (docs/decisions, failure rules). */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** The default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`invariant broken: unreachable value ${String(value)}`);
}
