import type { CircuitBreakers_ThresholdsJson } from "#gen/envoy/config/cluster/v3/circuit_breaker_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { refuse } from "#lib/config-error.ts";
import type { Runtime } from "../runtime.ts";
import type { Services } from "../services.ts";
import type { Gauge, StatsScope } from "../stats/stats.ts";
import type { Priority } from "./manager.ts";

/** What a circuit breaker counts. */
export type Resource = "connections" | "pending" | "requests" | "retries" | "pools";

interface ResourceFacts {
  readonly resource: Resource;
  readonly openName: string;
  readonly remainingName: string;
  /** The last word of the runtime key that overrides the limit. */
  readonly runtimeName: string;
  readonly limit: (thresholds: CircuitBreakers_ThresholdsJson | undefined) => number;
}

/** In the order of their cells; names are Envoy's. */
const facts: readonly ResourceFacts[] = [
  {
    resource: "connections",
    openName: "cx_open",
    remainingName: "remaining_cx",
    runtimeName: "max_connections",
    limit: (thresholds) => thresholds?.maxConnections ?? 1024,
  },
  {
    resource: "pending",
    openName: "rq_pending_open",
    remainingName: "remaining_pending",
    runtimeName: "max_pending_requests",
    limit: (thresholds) => thresholds?.maxPendingRequests ?? 1024,
  },
  {
    resource: "requests",
    openName: "rq_open",
    remainingName: "remaining_rq",
    runtimeName: "max_requests",
    limit: (thresholds) => thresholds?.maxRequests ?? 1024,
  },
  {
    resource: "retries",
    openName: "rq_retry_open",
    remainingName: "remaining_retries",
    runtimeName: "max_retries",
    limit: (thresholds) => thresholds?.maxRetries ?? 3,
  },
  {
    resource: "pools",
    openName: "cx_pool_open",
    remainingName: "remaining_cx_pools",
    runtimeName: "max_connection_pools",
    limit: (thresholds) => thresholds?.maxConnectionPools ?? unlimited,
  },
];
/** Envoy's default for connection pools. */
const unlimited = 4_294_967_295;

/** A priority has a count for each resource, then a flag for each that says whether its gauge shows it open. */
const cellsPerPriority = facts.length * 2;
const cellsPerCluster = cellsPerPriority * 2;

/** Counts that the workers of one process share: two priorities of each cluster, in the order the clusters were configured. */
export class SharedCells {
  /** Gauges of workers are added up, so one worker's holds the limit and each subtracts what it took. */
  readonly holdsLimits: boolean;
  readonly #cells: Int32Array;
  readonly #offsets: ReadonlyMap<string, number>;

  /** One for each worker, over the same buffer. */
  constructor(buffer: SharedArrayBuffer, clusterNames: readonly string[]) {
    this.#cells = new Int32Array(buffer);
    this.#offsets = new Map(clusterNames.map((name, index) => [name, index * cellsPerCluster]));
    this.holdsLimits = Atomics.add(this.#cells, this.#cells.length - 1, 1) === 0;
  }

  static allocate(clusterCount: number): SharedArrayBuffer {
    // The last cell counts the workers.
    const cells = clusterCount * cellsPerCluster + 1;
    return new SharedArrayBuffer(cells * Int32Array.BYTES_PER_ELEMENT);
  }

  /** The view of one cluster's cells at one priority. */
  view(cluster: string, priority: Priority): Int32Array | undefined {
    const offset = this.#offsets.get(cluster);
    if (offset === undefined) return undefined;
    const start = offset + (priority === "HIGH" ? cellsPerPriority : 0);
    return this.#cells.subarray(start, start + cellsPerPriority);
  }
}

/** One limit. Over the whole process when its cells are shared, else over this worker. */
class Limit {
  readonly #runtime: Runtime;
  readonly #key: string;
  readonly #configured: number;
  readonly #cells: Int32Array;
  readonly #index: number;
  readonly #flag: number;
  readonly #shared: boolean;
  readonly #open: Gauge;
  readonly #remaining: Gauge | undefined;
  readonly #holdsLimit: boolean;
  /** Takes the place of the configured limit: one that follows the load. */
  readonly #budget: (() => number) | undefined;
  /** What this worker took of the count. */
  #taken = 0;

  constructor(options: {
    readonly runtime: Runtime;
    readonly key: string;
    readonly configured: number;
    readonly cells: Int32Array;
    readonly index: number;
    readonly shared: boolean;
    readonly holdsLimit: boolean;
    readonly open: Gauge;
    readonly remaining: Gauge | undefined;
    readonly budget: (() => number) | undefined;
  }) {
    this.#runtime = options.runtime;
    this.#key = options.key;
    this.#configured = options.configured;
    this.#cells = options.cells;
    this.#index = options.index;
    this.#flag = facts.length + options.index;
    this.#shared = options.shared;
    this.#holdsLimit = options.holdsLimit;
    this.#open = options.open;
    this.#remaining = options.remaining;
    this.#budget = options.budget;
    this.#showRemaining();
  }

  get max(): number {
    if (this.#budget !== undefined) return this.#budget();
    return this.#runtime.number(this.#key, this.#configured);
  }

  get count(): number {
    return this.#cells[this.#index] ?? 0;
  }

  tryTake(): boolean {
    const max = this.max;
    let before: number;
    if (this.#shared) {
      before = Atomics.add(this.#cells, this.#index, 1);
      // Another worker may have taken the last one in between: give back what was one too many.
      if (before >= max) Atomics.sub(this.#cells, this.#index, 1);
    } else {
      before = this.#cells[this.#index] ?? 0;
      if (before < max) this.#cells[this.#index] = before + 1;
    }
    if (before >= max) return false;
    this.#taken++;
    // As in Envoy the gauges follow the counts: a limit of 0 is never shown as open.
    if (before + 1 >= max) this.#showOpen();
    if (this.#remaining !== undefined) this.#showRemaining();
    return true;
  }

  release(): void {
    this.#taken--;
    if (this.#shared) Atomics.sub(this.#cells, this.#index, 1);
    else this.#cells[this.#index] = this.count - 1;
    // Far below the limit nothing can have changed: most releases end here.
    if (this.#cells[this.#flag] === 1) this.#showOpen();
    if (this.#remaining !== undefined) this.#showRemaining();
  }

  /** The flag turns in one worker only, whose gauge moves; looked at again, because another may have released in between. */
  #showOpen(): void {
    const cells = this.#cells;
    for (;;) {
      const open = this.count >= this.max ? 1 : 0;
      if (Atomics.compareExchange(cells, this.#flag, 1 - open, open) !== 1 - open) return;
      this.#open.add(open === 1 ? 1 : -1);
    }
  }

  #showRemaining(): void {
    this.#remaining?.set((this.#holdsLimit ? this.max : 0) - this.#taken);
  }
}

/** The limits of one cluster at one priority. */
export class CircuitBreaker {
  readonly #connections: Limit;
  readonly #pending: Limit;
  readonly #requests: Limit;
  readonly #retries: Limit;
  readonly #pools: Limit;

  constructor(make: (resource: Resource) => Limit) {
    this.#connections = make("connections");
    this.#pending = make("pending");
    this.#requests = make("requests");
    this.#retries = make("retries");
    this.#pools = make("pools");
  }

  /** Count one more, unless the limit is reached. */
  tryTake(resource: Resource): boolean {
    return this.#of(resource).tryTake();
  }

  /** Give back one that `tryTake` gave. */
  release(resource: Resource): void {
    this.#of(resource).release();
  }

  count(resource: Resource): number {
    return this.#of(resource).count;
  }

  max(resource: Resource): number {
    return this.#of(resource).max;
  }

  #of(resource: Resource): Limit {
    switch (resource) {
      case "connections":
        return this.#connections;
      case "pending":
        return this.#pending;
      case "requests":
        return this.#requests;
      case "retries":
        return this.#retries;
      case "pools":
        return this.#pools;
    }
  }
}

interface BreakerContext {
  readonly services: Services;
  readonly stats: StatsScope;
  readonly cells: SharedCells | undefined;
}

/** Both priorities of a cluster. */
export class CircuitBreakers {
  readonly #default: CircuitBreaker;
  readonly #high: CircuitBreaker;

  constructor(config: ClusterJson, context: BreakerContext) {
    this.#default = makeBreaker(config, "DEFAULT", context);
    this.#high = makeBreaker(config, "HIGH", context);
  }

  of(priority: Priority): CircuitBreaker {
    return priority === "HIGH" ? this.#high : this.#default;
  }
}

function makeBreaker(
  config: ClusterJson,
  priority: Priority,
  { services, stats, cells }: BreakerContext,
): CircuitBreaker {
  // The first entry of a priority counts, as in Envoy.
  const thresholds = config.circuitBreakers?.thresholds?.find(
    (item) => (item.priority ?? "DEFAULT") === priority,
  );
  const name = config.name ?? "";
  const word = priority.toLowerCase();
  const scope = stats.scope(`circuit_breakers.${word}.`);
  const shared = cells?.view(name, priority);
  const view = shared ?? new Int32Array(cellsPerPriority);
  const made = new Map<Resource, Limit>();
  const active = (): number =>
    (made.get("pending")?.count ?? 0) + (made.get("requests")?.count ?? 0);
  const budget = compileRetryBudget(thresholds, {
    runtime: services.runtime,
    key: `circuit_breakers.${name}.${word}.retry_budget`,
    active,
  });
  return new CircuitBreaker((resource) => {
    const index = facts.findIndex((candidate) => candidate.resource === resource);
    const fact = facts[index];
    if (fact === undefined) throw refuse("circuit_breakers", `unknown resource ${resource}`);
    const limit = new Limit({
      runtime: services.runtime,
      key: `circuit_breakers.${name}.${word}.${fact.runtimeName}`,
      configured: fact.limit(thresholds),
      cells: view,
      index,
      shared: shared !== undefined,
      holdsLimit: cells === undefined || cells.holdsLimits,
      open: scope.gauge(fact.openName),
      remaining: thresholds?.trackRemaining === true ? scope.gauge(fact.remainingName) : undefined,
      budget: resource === "retries" ? budget : undefined,
    });
    made.set(resource, limit);
    return limit;
  });
}

/** `retry_budget`: a share of the requests under way, but never less than the minimum; takes the place of max_retries. */
function compileRetryBudget(
  thresholds: CircuitBreakers_ThresholdsJson | undefined,
  context: { readonly runtime: Runtime; readonly key: string; readonly active: () => number },
): (() => number) | undefined {
  const config = thresholds?.retryBudget;
  if (config === undefined) return undefined;
  const { runtime, key, active } = context;
  const percent = Number(
    config.budgetPercent?.value ?? (config.budgetPercent === undefined ? 20 : 0),
  );
  const least = config.minRetryConcurrency ?? 3;
  return () => {
    const share = runtime.number(`${key}.budget_percent`, percent) / 100;
    const minimum = runtime.number(`${key}.min_retry_concurrency`, least);
    return Math.max(Math.floor(share * active()), minimum);
  };
}

/** The only limit that Envoy has for a single host; each worker counts its own. */
export function connectionsPerHostMax({ circuitBreakers }: ClusterJson): number {
  const thresholds = circuitBreakers?.perHostThresholds ?? [];
  for (const [index, entry] of thresholds.entries()) {
    const known = ["priority", "maxConnections"];
    const other = Object.keys(entry).find((field) => !known.includes(field));
    if (other !== undefined)
      throw refuse(
        `per_host_thresholds[${index}]`,
        "Unsupported field in per_host_thresholds: only max_connections is possible",
      );
  }
  const own = thresholds.find(({ priority }) => (priority ?? "DEFAULT") === "DEFAULT");
  return own?.maxConnections ?? unlimited;
}
