/** A value that came, went or is another one now. */
export interface Change<T> {
  readonly key: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

export type Cancel = () => void;

/** Values by key, and a word of every change. */
export interface Collection<T> {
  readonly name: string;
  get(key: string): T | undefined;
  /** In no order; the same array until something changes. */
  list(): readonly T[];
  /** All as they are now; what is handed out never changes. */
  snapshot(): ReadonlyMap<string, T>;
  /** Called after all collections have taken in a change. */
  subscribe(onBatch: (batch: readonly Change<T>[]) => void): Cancel;
}

/** A single value that is computed from collections. */
export interface Computed<T> {
  readonly collection: Collection<{ readonly value: T }>;
  get(): T;
}

/** How a derived collection reads others while it computes: every read is remembered, and its change computes again. */
export interface Fetch {
  get<T>(from: Collection<T>, key: string): T | undefined;
  list<T>(from: Collection<T>): readonly T[];
  value<T>(from: Computed<T>): T;
}
