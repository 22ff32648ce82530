import type { LocalityLbConfig_ZoneAwareLbConfigJson as ZoneAwareConfig } from "#gen/envoy/extensions/load_balancing_policies/common/v3/common_pb.js";
import type { HostSet, PickContext, Picker } from "../balancer/balancer.ts";
import type { Services } from "../services.ts";
import type { Counter, StatsScope } from "../stats/stats.ts";
import type { Host, Locality } from "./host.ts";

interface ZoneRoutingContext {
  readonly services: Services;
  readonly stats: StatsScope;
}

/** Where requests go, found anew with each change of either cluster's hosts. */
type Plan =
  | "anywhere"
  | "local zone"
  | {
      /** Of 10,000 requests, how many stay in the own zone. */
      readonly localShare: number;
      /** By zone: what all until then can take beyond their own share. */
      readonly capacities: readonly number[];
    };

/** Hosts of one zone. */
interface Zone {
  readonly locality: Locality;
  readonly hosts: readonly Host[];
  readonly healthy: readonly Host[];
}

const enabledKey = "upstream.zone_routing.enabled";
const minClusterSizeKey = "upstream.zone_routing.min_cluster_size";
const wholeShare = 10_000;

/** Keeps requests in the proxy's own zone as far as that leaves all upstream hosts with the same load (envoy: zone aware routing). */
export class ZoneRouting {
  readonly #context: ZoneRoutingContext;
  /** The proxy's; undefined: nothing is known of it. */
  readonly #own: Locality | undefined;
  readonly #enabledPercent: number;
  readonly #minClusterSize: number;
  readonly #failsOnPanic: boolean;
  /** Hosts of the own zone that are enough for all requests; undefined: it is not forced. */
  readonly #forcedMin: number | undefined;
  readonly #byWeight: boolean;
  readonly #stats: Readonly<Record<StatName, Counter>>;
  #plan: Plan = "anywhere";
  #zones: readonly Zone[] = [];
  #local: HostSet | undefined;
  #localInPanic = false;

  constructor(config: ZoneAwareConfig, own: Locality | undefined, context: ZoneRoutingContext) {
    this.#context = context;
    this.#own = own;
    // A message that is there with nothing in it is 0 %.
    this.#enabledPercent =
      config.routingEnabled === undefined
        ? 100
        : Math.round(Number(config.routingEnabled.value ?? 0));
    this.#minClusterSize = Number(config.minClusterSize ?? 6);
    this.#failsOnPanic = config.failTrafficOnPanic === true;
    this.#forcedMin =
      config.forceLocalZone === undefined ? undefined : (config.forceLocalZone.minSize ?? 1);
    this.#byWeight = config.localityBasis === "HEALTHY_HOSTS_WEIGHT";
    this.#stats = zoneStats(context.stats);
  }

  /** The local cluster has changed since the plan was made. */
  outdated(local: HostSet | undefined): boolean {
    return local !== this.#local;
  }

  /** `panicThreshold`: with fewer percent of its hosts usable, the local cluster says nothing. */
  update(set: HostSet, local: HostSet, panicThreshold: number): void {
    const { services } = this.#context;
    this.#local = local;
    this.#zones = zonesOf(set, this.#own);
    const usable = local.healthy.length + local.degraded.length;
    const percent = local.hosts.length === 0 ? 0 : (100 * usable) / local.hosts.length;
    this.#localInPanic = percent < panicThreshold;
    this.#stats.lb_recalculate_zone_structures.inc();
    const min = services.runtime.number(minClusterSizeKey, this.#minClusterSize);
    const here = zonesOf(local, this.#own);
    this.#plan = this.#plannable(set, here, min) ? this.#planFor(here) : "anywhere";
  }

  #plannable(set: HostSet, here: readonly Zone[], min: number): boolean {
    if (this.#zones.length < 2) return false;
    if (this.#forcedMin === undefined && here.length < 2) return false;
    const first = here[0];
    if (first === undefined || !sameLocality(first.locality, this.#own)) {
      this.#stats.lb_local_cluster_not_ok.inc();
      return false;
    }
    if (set.healthy.length >= min) return true;
    this.#stats.lb_zone_cluster_too_small.inc();
    return false;
  }

  #planFor(here: readonly Zone[]): Plan {
    const local = this.#shares(here);
    const upstream = this.#shares(this.#zones);
    const localOf = (zone: Zone): number => {
      const index = here.findIndex((it) => sameLocality(it.locality, zone.locality));
      return local[index] ?? 0;
    };
    const own = this.#zones[0];
    const has = own !== undefined && sameLocality(own.locality, this.#own);
    // A zone without healthy hosts has no share on either side.
    const asked = this.#zones.map((zone) => (zone.healthy.length === 0 ? 0 : localOf(zone)));
    const [given = 0] = upstream;
    const [wanted = 0] = asked;
    if (has) {
      if (given > 0 && given >= wanted) return "local zone";
      if (this.#forcedMin !== undefined && own.healthy.length >= this.#forcedMin)
        return "local zone";
    }
    let left = 0;
    const capacities = upstream.map((share, index) => {
      if (index > 0 || !has) left += Math.max(0, share - (asked[index] ?? 0));
      return left;
    });
    const localShare = has && wanted > 0 ? Math.floor((given * wholeShare) / wanted) : 0;
    return { localShare, capacities };
  }

  /** Each zone's part of 10,000. */
  #shares(zones: readonly Zone[]): readonly number[] {
    const weights = zones.map(({ healthy }) =>
      this.#byWeight ? healthy.reduce((sum, { weight }) => sum + weight, 0) : healthy.length,
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => (total === 0 ? 0 : Math.floor((wholeShare * weight) / total)));
  }

  /** Of the hosts that `usable` has: by zone, or as `all` picks where zones do not count. */
  picker(usable: readonly Host[], all: Picker, make: (hosts: readonly Host[]) => Picker): Picker {
    if (this.#plan === "anywhere") return all;
    const set = new Set(usable);
    const zones = this.#zones.map(({ hosts }) => make(hosts.filter((host) => set.has(host))));
    return { pick: (context) => this.#pick(context, all, zones) };
  }

  #pick(context: PickContext, all: Picker, zones: readonly Picker[]): Host | undefined {
    const { random, runtime } = this.#context.services;
    if (!runtime.featureEnabled(enabledKey, this.#enabledPercent, 100, random.unit()))
      return all.pick(context);
    if (this.#localInPanic) {
      this.#stats.lb_local_cluster_not_ok.inc();
      return this.#failsOnPanic ? undefined : all.pick(context);
    }
    return zones[this.#zone()]?.pick(context);
  }

  #zone(): number {
    const { random } = this.#context.services;
    const plan = this.#plan;
    if (typeof plan === "string") {
      this.#stats.lb_zone_routing_all_directly.inc();
      return 0;
    }
    if (random.below(wholeShare) < plan.localShare) {
      this.#stats.lb_zone_routing_sampled.inc();
      return 0;
    }
    this.#stats.lb_zone_routing_cross_zone.inc();
    const { capacities } = plan;
    const total = capacities[capacities.length - 1] ?? 0;
    if (total === 0) {
      this.#stats.lb_zone_no_capacity_left.inc();
      return random.below(capacities.length);
    }
    const draw = random.below(total);
    return capacities.findIndex((capacity) => draw < capacity);
  }
}

const statNames = [
  "lb_local_cluster_not_ok",
  "lb_recalculate_zone_structures",
  "lb_zone_cluster_too_small",
  "lb_zone_no_capacity_left",
  "lb_zone_routing_all_directly",
  "lb_zone_routing_cross_zone",
  "lb_zone_routing_sampled",
] as const;
type StatName = (typeof statNames)[number];

export function zoneStats(scope: StatsScope): Readonly<Record<StatName, Counter>> {
  const entries = statNames.map((name) => [name, scope.counter(name)] as const);
  // Proof: one entry for each name.
  return Object.fromEntries(entries) as Record<StatName, Counter>;
}

/** The own zone first, when it has hosts. */
function zonesOf({ localities, healthy }: HostSet, own: Locality | undefined): readonly Zone[] {
  const usable = new Set(healthy);
  const zones = localities.map(({ locality, hosts }) => ({
    locality,
    hosts,
    healthy: hosts.filter((host) => usable.has(host)),
  }));
  return [
    ...zones.filter(({ locality }) => sameLocality(locality, own)),
    ...zones.filter(({ locality }) => !sameLocality(locality, own)),
  ];
}

function sameLocality(a: Locality, b: Locality | undefined): boolean {
  return b !== undefined && a.region === b.region && a.zone === b.zone && a.subZone === b.subZone;
}
