/**
 * The stats a worker writes. Names are Envoy's full names ("cluster.x.upstream_rq_total"). `counter("a")` twice is the same object.
 * A counter is a slot of shared memory with this worker as its one writer, so the main thread reads without asking.
 */
export interface Counter {
  readonly name: string;
  inc(): void;
  add(n: number): void;
  readonly value: number;
}

export interface Gauge {
  readonly name: string;
  inc(): void;
  dec(): void;
  add(n: number): void;
  set(n: number): void;
  readonly value: number;
}

export interface Histogram {
  readonly name: string;
  /** Milliseconds for times, bytes for sizes, as Envoy's. */
  record(value: number): void;
}

export interface StatsScope {
  counter(name: string): Counter;
  gauge(name: string): Gauge;
  histogram(name: string): Histogram;
  /** A scope whose names begin with this one's prefix and `prefix` (which ends with "."). */
  scope(prefix: string): StatsScope;
}
