import type { HeaderList } from "#http/headers.ts";
import type { Address } from "#net/address.ts";
import type { EndpointCheckConfig, HostCheck } from "../health-check/host-check.ts";
import type { HostOutlier } from "../outlier/host-outlier.ts";
import type { OutlierSlots } from "../outlier/slots.ts";
import type { Metadata, UpstreamHostInfo } from "../stream-info.ts";

export type HostHealth = "healthy" | "degraded" | "unhealthy";

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** One endpoint as discovery reports it: plain data, sent from the main thread to the workers. */
export interface EndpointSpec {
  readonly address: Address;
  readonly hostname: string;
  /** ≥ 1 */
  readonly weight: number;
  readonly health: HostHealth;
  /** EDS `health_status` as it came, for /clusters: "HEALTHY", "UNKNOWN", "DRAINING" … */
  readonly edsHealth: string;
  readonly metadata: Metadata | undefined;
  readonly locality: Locality;
  readonly priority: number;
  /** `health_check_config`; absent: it is checked like any other. */
  readonly checkConfig?: EndpointCheckConfig | undefined;
  /** What active checks have said so far; absent: it is not checked. */
  readonly check?: HostCheck | undefined;
}

/** Endpoints of a cluster; what is over the limit is not used. */
export const membersMax = 100_000;

/** A cluster's whole membership: replaced, never mutated. */
export interface ClusterMembers {
  readonly cluster: string;
  readonly endpoints: readonly EndpointSpec[];
  /** Weight of a locality within its priority, by `priority/region/zone/subZone`; absent: no locality weights. */
  readonly localityWeights: Readonly<Record<string, number>>;
  /** Percent, 140 by default. */
  readonly overprovisioningFactor: number;
  /** Sum of drop_overloads as a fraction 0…1. */
  readonly dropFraction: number;
  /** Where outlier detection counts; undefined: the cluster has none. */
  readonly outlier?: OutlierSlots | undefined;
}

/** What a host says of its load. */
export interface HostLoad {
  /** Fields or trailers of one of its responses. Returns whether a report was in them. */
  report(fields: HeaderList): boolean;
}

/**
 * One endpoint in one worker. Survives updates that keep its address, so its counters and connections do too.
 * `active…` are read by balancers and by /clusters.
 */
export interface Host extends UpstreamHostInfo {
  readonly priority: number;
  metadata: Metadata | undefined;
  weight: number;
  /** By discovery, active checks and outlier detection together: what balancers go by. Follows from the five below (host-health.ts). */
  health: HostHealth;
  /** What discovery says. */
  declaredHealth: HostHealth;
  edsHealth: string;
  /** Undefined: it is not checked. The next two and `excluded` follow from it. */
  check: HostCheck | undefined;
  failedActiveCheck: boolean;
  /** An active check found it degraded (x-envoy-degraded). */
  degradedByCheck: boolean;
  /** By outlier detection. */
  ejected: boolean;
  /** By outlier detection: it answered with x-envoy-degraded. */
  degradedByOutlier: boolean;
  /** It does not count among the hosts that could be healthy (envoy: excluded hosts). */
  excluded: boolean;
  /** An answer said x-envoy-immediate-health-check-fail; undefined: the cluster has no checks that could know. */
  failImmediately: (() => void) | undefined;
  /** Whoever uses the host says how it went; undefined: the cluster has no outlier detection. */
  outlier: HostOutlier | undefined;
  /** Undefined: its weight is the configured one, whatever it says. */
  load: HostLoad | undefined;
  /** Monotonic, of its slow start; 0: it has not begun. */
  healthySinceMs: number;
  requestsActive: number;
  connectionsActive: number;
  /** Asked for and not there yet. */
  connectionsOpening: number;
  requestsTotal: number;
  requestsSuccess: number;
  requestsError: number;
  requestsTimeout: number;
  connectionsTotal: number;
  connectFailures: number;
  /** No longer a member: its connections drain. */
  removed: boolean;
}
