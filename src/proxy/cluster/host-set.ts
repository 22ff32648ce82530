import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { Word64 } from "#lib/word64.ts";
import { addressText } from "#net/address.ts";
import type {
  BalancerFactory,
  HostSet,
  PickContext,
  Picker,
  PriorityExclusion,
} from "../balancer/balancer.ts";
import { EdfScheduler } from "../balancer/edf.ts";
import type { HashPolicy } from "../balancer/hash-policy.ts";
import { type ChosenBalancer, chooseBalancer } from "../balancer/list.ts";
import { SlowStart } from "../balancer/slow-start.ts";
import type { HostCheck } from "../health-check/host-check.ts";
import type { Services } from "../services.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import { clusterType } from "./cluster-type.ts";
import { type ClusterMembers, type EndpointSpec, type Host, membersMax } from "./host.ts";
import { applyFlags, combinedHealth } from "./host-health.ts";
import { makeHost } from "./make-host.ts";
import type { Drop } from "./manager.ts";
import { MembershipStats } from "./membership-stats.ts";
import { OriginalDestinationHosts } from "./original-destination.ts";
import { OverrideHosts } from "./override-hosts.ts";
import { type PriorityLoad, priorityLoads } from "./priority-load.ts";
import { Subsets } from "./subsets.ts";

interface HostSetsContext {
  readonly services: Services;
  readonly stats: StatsScope;
  /** The host's connections are to drain: it has left, or the cluster closes them at every change of its host set. */
  readonly onRemoved: (host: Host) => void;
  /** Of the whole cluster. */
  readonly requestsActive?: Gauge;
  /** For HTTP requests, in the place of their routes'. */
  readonly httpHashPolicy?: HashPolicy | undefined;
}

/** A priority's pickers: by health class, and all hosts for panic. */
interface PriorityPickers {
  readonly healthy: Picker;
  readonly degraded: Picker;
  readonly all: Picker;
}

const panicKey = "upstream.healthy_panic_threshold";

/** A cluster's hosts in one worker, and which of them the next request gets. */
export class HostSets {
  readonly #context: HostSetsContext;
  readonly #balancer: ChosenBalancer;
  readonly #panicThreshold: number;
  readonly #closesOnChange: boolean;
  readonly #panicPicks: Counter;
  readonly #original: OriginalDestinationHosts | undefined;
  readonly #overrides: OverrideHosts;
  readonly #slowStart: SlowStart | undefined;
  readonly #membership: MembershipStats | undefined;
  readonly #subsets: Subsets | undefined;
  #hosts: readonly Host[] = [];
  #byKey: Map<string, Host> = new Map();
  #pickers: readonly PriorityPickers[] = [];
  #sets: readonly HostSet[] = [];
  #loads: readonly PriorityLoad[] = [];
  /** Set when one class of one priority takes every request: nothing to draw. */
  #only: Picker | undefined;
  #dropFraction = 0;
  #members: ClusterMembers | undefined;
  /** A host's health has changed since the pickers were made. */
  #stale = false;
  /** Whether the balancer goes by a hash, and the current pick's. */
  readonly #hashes: boolean;
  readonly #hash = new Word64();

  constructor(config: ClusterJson, context: HostSetsContext) {
    this.#context = context;
    this.#balancer = chooseBalancer(config);
    this.#hashes = this.#balancer.factory?.byHash === true;
    const threshold = config.commonLbConfig?.healthyPanicThreshold;
    // A message that is there with nothing in it is 0 %, which turns panic off.
    this.#panicThreshold = threshold === undefined ? 50 : Number(threshold.value ?? 0);
    this.#closesOnChange = config.commonLbConfig?.closeConnectionsOnHostSetChange === true;
    this.#panicPicks = context.stats.counter("lb_healthy_panic");
    this.#slowStart = SlowStart.of(this.#balancer.config?.slowStartConfig, context.services);
    this.#overrides = new OverrideHosts(config);
    if (clusterType(config) === "ORIGINAL_DST") {
      this.#original = new OriginalDestinationHosts(config, context);
    } else this.#membership = MembershipStats.of(context.stats, context.services);
    this.#subsets = Subsets.of(config, {
      stats: context.stats,
      counts: context.services.workerIndex === 0,
      make: () => new HostSets({ ...config, lbSubsetConfig: {} }, context),
      pickAny: (request) => this.#pickAny(request),
    });
  }

  get hosts(): readonly Host[] {
    return this.#original?.hosts ?? this.#hosts;
  }

  /** The control plane's wish that this request be dropped (drop_overloads), drawn anew on each call. */
  get drops(): Drop | undefined {
    if (this.#dropFraction === 0) return undefined;
    if (this.#dropFraction >= 1) return "all";
    return this.#context.services.random.unit() < this.#dropFraction ? "some" : undefined;
  }

  /** Replace the membership. Hosts whose address stays keep their identity, counts and connections. */
  update(members: ClusterMembers): void {
    if (this.#original !== undefined) return;
    const next = new Map<string, Host>();
    for (const endpoint of members.endpoints.slice(0, membersMax)) {
      const key = hostKey(endpoint);
      if (!next.has(key)) next.set(key, refreshed(this.#byKey.get(key), endpoint));
    }
    const previous = this.#byKey;
    this.#byKey = next;
    this.#hosts = [...next.values()];
    this.#dropFraction = members.dropFraction;
    this.#members = members;
    this.#rebuild(members);
    this.#subsets?.update(this.#hosts, members);
    this.#drain(previous, next);
    this.#membership?.recount(this.#hosts);
  }

  /** Of a subset: hosts that belong to the whole cluster. */
  adopt(hosts: readonly Host[], members: ClusterMembers): void {
    this.#hosts = hosts;
    this.#members = members;
    this.#stale = true;
  }

  /** Of a subset: one of the cluster's hosts may be healthier or less so than before. */
  hostHealthChanged(): void {
    this.#stale = true;
  }

  /** After one of the host's health flags has changed. The pickers are made anew by the next pick, once for all changes until then. */
  healthChanged(host: Host): void {
    const health = combinedHealth(host);
    if (health === host.health) return;
    this.#membership?.changed(host.health, health);
    host.health = health;
    this.#stale = true;
    this.#subsets?.healthChanged();
  }

  /** What active checks now say of a host. */
  checked(host: Host, check: HostCheck): void {
    const before = host.health;
    const excludedBefore = host.excluded;
    applyFlags(host, check);
    this.#membership?.changed(before, host.health);
    if (host.excluded !== excludedBefore) this.#membership?.excludedChanged(host.excluded);
    this.#slowStart?.note([host]);
    if (host.health !== before || host.excluded !== excludedBefore) this.#stale = true;
  }

  /** Undefined: no host (UH). */
  pick(context: PickContext): Host | undefined {
    if (context.override !== undefined) {
      const host = this.#overrides.find(this.#hosts, context.override);
      if (host !== undefined || context.override.strict) return host;
    }
    return this.#subsets === undefined ? this.#pickAny(context) : this.#subsets.pick(context);
  }

  #pickAny(context: PickContext): Host | undefined {
    if (this.#stale && this.#members !== undefined) this.#rebuild(this.#members);
    const hash = this.#hashes ? this.#hashOf(context) : undefined;
    // As in Envoy: a hash stays with its priority.
    const exclusion = hash === undefined ? context.exclusion : undefined;
    if (this.#only !== undefined && exclusion === undefined) return this.#only.pick(context, hash);
    if (this.#original !== undefined) return this.#original.pick(context);
    const loads = exclusion === undefined ? this.#loads : this.#loadsWithout(exclusion);
    // As Envoy: one number for the priority, first among healthy hosts, then among degraded ones.
    let draw = hash?.modulo(100) ?? this.#context.services.random.below(100);
    for (let priority = 0; priority < loads.length; priority++) {
      draw -= loads[priority]?.healthy ?? 0;
      if (draw < 0) return this.#pickAt(priority, "healthy", context, hash);
    }
    for (let priority = 0; priority < loads.length; priority++) {
      draw -= loads[priority]?.degraded ?? 0;
      if (draw < 0) return this.#pickAt(priority, "degraded", context, hash);
    }
    return undefined;
  }

  /** What priorities get when some have been tried; all of them again, when nothing else is left. */
  #loadsWithout({ priorities }: PriorityExclusion): readonly PriorityLoad[] {
    const without = this.#sets.map((set) =>
      priorities.includes(set.priority) ? { ...set, healthy: [], degraded: [] } : set,
    );
    if (without.every((set) => set.healthy.length + set.degraded.length === 0)) return this.#loads;
    return priorityLoads(without, {
      overprovisioning: this.#members?.overprovisioningFactor ?? 140,
      // A priority that is left out is not in panic.
      panicThreshold: 0,
    });
  }

  /** Valid until the next pick. Random when no policy has one. */
  #hashOf(context: PickContext): Word64 {
    const hash = this.#hash;
    const ofCluster =
      this.#balancer.config?.hashing?.hashPolicy ??
      (context.head === undefined ? undefined : this.#context.httpHashPolicy);
    const policy = ofCluster ?? context.hashPolicy;
    if (context.info !== undefined && policy?.(hash, context.head, context.info) === true)
      return hash;
    const { random } = this.#context.services;
    return hash.set(random.below(2 ** 32), random.below(2 ** 32));
  }

  destroy(): void {
    this.#original?.destroy();
  }

  #pickAt(
    priority: number,
    health: "healthy" | "degraded",
    context: PickContext,
    hash: Word64 | undefined,
  ): Host | undefined {
    const pickers = this.#pickers[priority];
    if (this.#loads[priority]?.panic !== true) return pickers?.[health].pick(context, hash);
    this.#panicPicks.inc();
    return this.#balancer.failTrafficOnPanic ? undefined : pickers?.all.pick(context, hash);
  }

  #drain(previous: ReadonlyMap<string, Host>, next: ReadonlyMap<string, Host>): void {
    const changed =
      previous.size !== next.size || [...previous].some(([key, host]) => next.get(key) !== host);
    if (!changed) return;
    for (const [key, host] of previous) {
      host.removed = next.get(key) !== host;
      if (host.removed || this.#closesOnChange) this.#context.onRemoved(host);
    }
  }

  #rebuild(members: ClusterMembers): void {
    this.#stale = false;
    const { factory } = this.#balancer;
    if (factory === undefined) return;
    this.#slowStart?.note(this.#hosts);
    const { runtime } = this.#context.services;
    const highest = this.#hosts.reduce((most, host) => Math.max(most, host.priority), 0);
    const sets = Array.from({ length: highest + 1 }, (_, priority) =>
      hostSet(priority, this.#hosts, members),
    );
    this.#sets = sets;
    this.#loads = priorityLoads(sets, {
      overprovisioning: members.overprovisioningFactor,
      panicThreshold: Math.min(100, runtime.number(panicKey, this.#panicThreshold)),
    });
    this.#pickers = sets.map((set, priority) =>
      factory.byHash === true
        ? this.#hashPickers(factory, set, this.#loads[priority])
        : {
            healthy: this.#picker(factory, { set, hosts: set.healthy, members }),
            degraded: this.#picker(factory, { set, hosts: set.degraded, members }),
            all: this.#make(factory, set.hosts),
          },
    );
    const only = this.#loads.findIndex((load) => load.healthy === 100 && !load.panic);
    this.#only = this.#pickers[only]?.healthy;
  }

  /** As in Envoy: one table for a priority, of its healthy hosts or, in panic, of all; degraded ones are never in it. */
  #hashPickers(
    factory: BalancerFactory,
    { hosts: all, healthy, localities }: HostSet,
    load: PriorityLoad | undefined,
  ): PriorityPickers {
    const { services, stats, requestsActive } = this.#context;
    const hosts = load?.panic === true ? all : healthy;
    const usable = new Set(hosts);
    const picker = factory.make(hosts, {
      random: services.random,
      runtime: services.runtime,
      config: this.#balancer.config,
      localities: this.#balancer.localityWeighted
        ? localities.map((it) => ({ ...it, hosts: it.hosts.filter((host) => usable.has(host)) }))
        : undefined,
      stats: services.workerIndex === 0 ? stats : undefined,
      requestsActive,
    });
    return { healthy: picker, degraded: picker, all: picker };
  }

  #make(factory: BalancerFactory, hosts: readonly Host[]): Picker {
    const { random, runtime } = this.#context.services;
    return factory.make(hosts, {
      config: this.#balancer.config,
      random,
      runtime,
      slowStart: this.#slowStart,
    });
  }

  #picker(factory: BalancerFactory, options: PickerOptions): Picker {
    const weighted = this.#balancer.localityWeighted ? effectiveLocalities(options) : [];
    if (weighted.length === 0) return this.#make(factory, options.hosts);
    const entries = weighted.map(({ weight, hosts }) => ({
      weight,
      picker: this.#make(factory, hosts),
    }));
    const scheduler = new EdfScheduler(entries, {
      weight: (entry) => entry.weight,
      skip: this.#context.services.random.below(entries.length),
    });
    return { pick: (context) => scheduler.next()?.picker.pick(context) };
  }
}

interface PickerOptions {
  readonly set: HostSet;
  /** Those of the set that may be picked. */
  readonly hosts: readonly Host[];
  readonly members: ClusterMembers;
}

/** A locality's weight counts as far as it is available, with the over-provisioning factor; without any weight it gets nothing. */
function effectiveLocalities({ set, hosts, members }: PickerOptions): {
  readonly weight: number;
  readonly hosts: readonly Host[];
}[] {
  const usable = new Set(hosts);
  return set.localities
    .map((locality) => {
      const chosen = locality.hosts.filter((host) => usable.has(host));
      const share = chosen.length / locality.hosts.length;
      const available = Math.min(1, (members.overprovisioningFactor / 100) * share);
      return { weight: locality.weight * available, hosts: chosen };
    })
    .filter(({ weight }) => weight > 0);
}

/** An address may stand in several priorities, and is a host in each. */
function hostKey(endpoint: EndpointSpec): string {
  return `${endpoint.priority} ${addressText(endpoint.address)}`;
}

/** The old host when nothing that is fixed about it changed. */
function refreshed(old: Host | undefined, endpoint: EndpointSpec): Host {
  if (old === undefined || !sameFacts(old, endpoint)) return makeHost(endpoint);
  old.weight = endpoint.weight;
  old.declaredHealth = endpoint.health;
  old.edsHealth = endpoint.edsHealth;
  applyFlags(old, endpoint.check);
  old.metadata = endpoint.metadata;
  return old;
}

function sameFacts(host: Host, endpoint: EndpointSpec): boolean {
  const { region, zone, subZone } = endpoint.locality;
  return (
    host.hostname === endpoint.hostname &&
    host.locality.region === region &&
    host.locality.zone === zone &&
    host.locality.subZone === subZone
  );
}

function hostSet(priority: number, all: readonly Host[], members: ClusterMembers): HostSet {
  const hosts = all.filter((host) => host.priority === priority);
  const byLocality = new Map<string, Host[]>();
  for (const host of hosts) {
    const { region, zone, subZone } = host.locality;
    const key = `${priority}/${region}/${zone}/${subZone}`;
    const list = byLocality.get(key);
    if (list === undefined) byLocality.set(key, [host]);
    else list.push(host);
  }
  return {
    priority,
    hosts,
    healthy: hosts.filter((host) => host.health === "healthy"),
    degraded: hosts.filter((host) => host.health === "degraded"),
    excluded: hosts.reduce((count, { excluded }) => count + (excluded ? 1 : 0), 0),
    localities: [...byLocality].flatMap(([key, list]) => {
      const locality = list[0]?.locality;
      const weight = members.localityWeights[key] ?? 0;
      return locality === undefined ? [] : [{ locality, weight, hosts: list }];
    }),
  };
}
