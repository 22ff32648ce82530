import type { LeastRequestJson } from "#gen/envoy/extensions/load_balancing_policies/least_request/v3/least_request_pb.js";
import type { RequestHead } from "#http/message.ts";
import type { Random } from "#lib/random.ts";
import type { Word64 } from "#lib/word64.ts";
import type { Address } from "#net/address.ts";
import type { Host, Locality } from "../cluster/host.ts";
import type { Runtime } from "../runtime.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { OverrideHost, StreamInfo } from "../stream-info.ts";
import type { LoadWeighing } from "./client-side-weighted-round-robin.ts";
import type { HashPolicy } from "./hash-policy.ts";
import type { HashingConfig } from "./hashing-config.ts";
import type { MetadataMatch } from "./metadata-match.ts";
import type { SlowStart } from "./slow-start.ts";

/** As long as another priority has a host, these get nothing. */
export interface PriorityExclusion {
  readonly priorities: readonly number[];
}

/** Facts about the request that a pick may use. All optional: a TCP connection has few. */
export interface PickContext {
  /** Priorities that earlier attempts of the request have used up. */
  readonly exclusion?: PriorityExclusion | undefined;
  /** Of the route or the TCP proxy; asked only by balancers that hash. */
  readonly hashPolicy?: HashPolicy | undefined;
  /** Of the route or the TCP proxy: the subset; asked only by clusters that have subsets. */
  readonly metadataMatch?: MetadataMatch | undefined;
  /** How many of this pick's hosts were declined (a retry's host predicates): a hash must not lead to the same one again. */
  readonly declined?: number | undefined;
  /** Address the client meant for ORIGINAL_DST. */
  readonly originalDestination?: Address | undefined;
  /** The request, when there is one: ORIGINAL_DST may read a header of it. */
  readonly head?: RequestHead | undefined;
  readonly info?: StreamInfo | undefined;
  /** Goes before all that the balancer would say. */
  readonly override?: OverrideHost | undefined;
}

/** The momentary state of a load balancer: rebuilt and swapped whenever hosts change, never mutated from outside. */
export interface Picker {
  /** `hash` is there whenever the factory says `byHash`. */
  pick(context: PickContext, hash?: Word64): Host | undefined;
}

/** The hosts of one priority as balancers take them. */
export interface HostSet {
  readonly priority: number;
  readonly hosts: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
  /** How many do not count among those that could be healthy. */
  readonly excluded: number;
  readonly localities: readonly {
    readonly locality: Locality;
    readonly weight: number;
    readonly hosts: readonly Host[];
  }[];
}

/** What a policy's configuration may say, in its old form (`least_request_lb_config`) and as an extension. */
export type BalancerConfig = Pick<
  LeastRequestJson,
  "choiceCount" | "activeRequestBias" | "selectionMethod" | "slowStartConfig"
> & {
  readonly hashing?: HashingConfig;
  /** Hosts' weights follow from what they report. */
  readonly loadWeighing?: LoadWeighing;
};

export interface BalancerOptions {
  readonly config: BalancerConfig | undefined;
  readonly random: Random;
  readonly runtime: Runtime;
  /** Undefined: hosts get their whole weight at once. */
  readonly slowStart?: SlowStart | undefined;
  /** With locality weights, where the policy itself weighs them (`byHash`): the hosts by locality. */
  readonly localities?: readonly WeightedLocality[] | undefined;
  /** Undefined: another worker's say the same. */
  readonly stats?: StatsScope | undefined;
  /** Of the whole cluster in this worker. */
  readonly requestsActive?: { readonly value: number } | undefined;
}

export interface WeightedLocality {
  readonly locality: Locality;
  /** As configured, or 0. */
  readonly weight: number;
  readonly hosts: readonly Host[];
}

/** Picks one of `hosts` (already chosen by priority, health, locality). One folder-level file per policy: round-robin.ts, random.ts, least-request.ts. */
export interface BalancerFactory {
  /** "ROUND_ROBIN" */
  readonly policy: string;
  /** The same request goes to the same host. Its hash draws the priority too, and localities' weights become hosts' weights. */
  readonly byHash?: true;
  make(hosts: readonly Host[], options: BalancerOptions): Picker;
}
