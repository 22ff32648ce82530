import type { VirtualClusterJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse } from "#lib/config-error.ts";
import { compileHeaderMatchers, type HeaderPredicate } from "../matching/header-matcher.ts";
import type { Counter, Histogram, StatsScope } from "../stats/stats.ts";

/** What a virtual cluster, or a route with a `stat_prefix`, counts. Names are Envoy's. */
export class RequestStats {
  readonly requestTotal: Counter;
  readonly requestTimeout: Counter;
  readonly retry: Counter;
  readonly retryLimitExceeded: Counter;
  readonly retryOverflow: Counter;
  readonly retrySuccess: Counter;
  readonly #scope: StatsScope;
  readonly #byCode = new Map<number, readonly [code: Counter, family: Counter, all: Counter]>();
  #timeMs: Histogram | undefined;

  constructor(scope: StatsScope) {
    this.#scope = scope;
    this.requestTotal = scope.counter("upstream_rq_total");
    this.requestTimeout = scope.counter("upstream_rq_timeout");
    this.retry = scope.counter("upstream_rq_retry");
    this.retryLimitExceeded = scope.counter("upstream_rq_retry_limit_exceeded");
    this.retryOverflow = scope.counter("upstream_rq_retry_overflow");
    this.retrySuccess = scope.counter("upstream_rq_retry_success");
  }

  countResponse(status: number): void {
    let counters = this.#byCode.get(status);
    if (counters === undefined) {
      counters = [
        this.#scope.counter(`upstream_rq_${status}`),
        this.#scope.counter(`upstream_rq_${Math.floor(status / 100)}xx`),
        this.#scope.counter("upstream_rq_completed"),
      ];
      this.#byCode.set(status, counters);
    }
    for (const counter of counters) counter.inc();
  }

  countTime(milliseconds: number): void {
    this.#timeMs ??= this.#scope.histogram("upstream_rq_time");
    this.#timeMs.record(milliseconds);
  }
}

/** Where a request is counted besides its cluster. */
export interface RequestTally {
  /** The virtual cluster's, "" for a request of none. */
  readonly virtualClusterName: string;
  readonly stats: readonly RequestStats[];
}

interface VirtualCluster {
  readonly name: string;
  readonly stats: RequestStats;
  readonly headers: readonly HeaderPredicate[];
}

/** A virtual host's `virtual_clusters`: the first whose headers match. */
export interface VirtualClusters {
  readonly scope: StatsScope;
  readonly listed: readonly VirtualCluster[];
  /** What matches none; undefined when there are none at all, so that nothing is counted. */
  readonly other: RequestStats | undefined;
}

export function compileVirtualClusters(
  name: string,
  configs: readonly VirtualClusterJson[] | undefined,
  stats: StatsScope,
): VirtualClusters {
  const scope = stats.scope(`vhost.${name}.`);
  const listed = compileEach("virtual_clusters", configs, (config) => {
    const clusterName = config.name ?? "";
    if (clusterName === "") throw refuse("name", "must not be empty");
    const headers = compileHeaderMatchers(config.headers);
    if (headers.length === 0) throw refuse("headers", "virtual clusters must define 'headers'");
    return { name: clusterName, headers, stats: statsAt(scope, "vcluster", clusterName) };
  });
  return {
    scope,
    listed,
    other: listed.length === 0 ? undefined : statsAt(scope, "vcluster", "other"),
  };
}

function statsAt(scope: StatsScope, kind: "vcluster" | "route", name: string): RequestStats {
  return new RequestStats(scope.scope(`${kind}.${name}.`));
}

/** Undefined: the route's requests are only counted by their cluster. */
export function compileTally(
  clusters: VirtualClusters,
  statPrefix: string | undefined,
): ((head: RequestHead) => RequestTally) | undefined {
  const own =
    statPrefix === undefined || statPrefix === ""
      ? []
      : [statsAt(clusters.scope, "route", statPrefix)];
  const { other } = clusters;
  if (other === undefined) {
    if (own.length === 0) return undefined;
    const only: RequestTally = { virtualClusterName: "", stats: own };
    return () => only;
  }
  const rest: RequestTally = { virtualClusterName: "", stats: [other, ...own] };
  const listed = clusters.listed.map(({ name, stats, headers }) => ({
    headers,
    tally: { virtualClusterName: name, stats: [stats, ...own] },
  }));
  return (head) => {
    for (const { headers, tally } of listed)
      if (headers.every((matches) => matches(head))) return tally;
    return rest;
  };
}
