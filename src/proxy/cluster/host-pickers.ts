import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Word64 } from "#lib/word64.ts";
import type {
  BalancerFactory,
  HostSet,
  PickContext,
  Picker,
  PriorityExclusion,
} from "../balancer/balancer.ts";
import { EdfScheduler } from "../balancer/edf.ts";
import type { ChosenBalancer } from "../balancer/list.ts";
import type { SlowStart } from "../balancer/slow-start.ts";
import type { Services } from "../services.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import type { ClusterMembers, Host } from "./host.ts";
import { localityKey } from "./host-locality.ts";
import { type PriorityLoad, priorityLoads } from "./priority-load.ts";
import { ZoneRouting } from "./zone-routing.ts";

export interface HostPickersContext {
  readonly services: Services;
  readonly stats: StatsScope;
  readonly balancer: ChosenBalancer;
  readonly slowStart?: SlowStart | undefined;
  /** Of the whole cluster. */
  readonly requestsActive?: Gauge;
}

/** A priority's pickers: by health class, and all hosts for panic. */
interface PriorityPickers {
  readonly healthy: Picker;
  readonly degraded: Picker;
  readonly all: Picker;
}

const panicKey = "upstream.healthy_panic_threshold";

/** Which of a list of hosts the next request gets, by priority, health and locality: those of a cluster, or of a subset. */
export class HostPickers implements Picker {
  readonly #context: HostPickersContext;
  readonly #balancer: ChosenBalancer;
  readonly #panicThreshold: number;
  readonly #panicPicks: Counter;
  /** Of the cluster. */
  readonly #name: string;
  /** Undefined as long as there is no other cluster that the proxy belongs to. */
  #zones: ZoneRouting | undefined;
  #hosts: readonly Host[] = [];
  #members: ClusterMembers | undefined;
  #pickers: readonly PriorityPickers[] = [];
  #sets: readonly HostSet[] = [];
  #loads: readonly PriorityLoad[] = [];
  /** Set when one class of one priority takes every request: nothing to draw. */
  #only: Picker | undefined;
  /** Hosts or their health have changed since the pickers were made. */
  #stale = false;

  constructor(config: ClusterJson, context: HostPickersContext) {
    this.#context = context;
    this.#balancer = context.balancer;
    this.#name = config.name ?? "";
    const threshold = config.commonLbConfig?.healthyPanicThreshold;
    // A message that is there with nothing in it is 0 %, which turns panic off.
    this.#panicThreshold = threshold === undefined ? 50 : Number(threshold.value ?? 0);
    this.#panicPicks = context.stats.counter("lb_healthy_panic");
  }

  update(hosts: readonly Host[], members: ClusterMembers): void {
    this.adopt(hosts, members);
    this.#rebuild(members);
  }

  /** As `update`, but only the next pick does the work: of many subsets few are in use. */
  adopt(hosts: readonly Host[], members: ClusterMembers): void {
    this.#hosts = hosts;
    this.#members = members;
    this.#stale = true;
  }

  /** The next pick makes the pickers anew, once for all changes until then. */
  healthChanged(): void {
    this.#stale = true;
  }

  /** By priority; another list after each change. */
  get sets(): readonly HostSet[] {
    if (this.#stale && this.#members !== undefined) this.#rebuild(this.#members);
    return this.#sets;
  }

  /** Undefined: no host (UH). */
  pick(context: PickContext, hash?: Word64): Host | undefined {
    if (this.#zones?.outdated(this.#context.services.clusters.local?.firstSet) === true)
      this.#stale = true;
    if (this.#stale && this.#members !== undefined) this.#rebuild(this.#members);
    // As in Envoy: a hash stays with its priority.
    const exclusion = hash === undefined ? context.exclusion : undefined;
    if (this.#only !== undefined && exclusion === undefined) return this.#only.pick(context, hash);
    const loads = exclusion === undefined ? this.#loads : this.#loadsWithout(exclusion);
    // As Envoy: one number for the priority, first among healthy hosts, then among degraded ones.
    let draw = hash?.modulo(100) ?? this.#context.services.random.below(100);
    for (let priority = 0; priority < loads.length; priority++) {
      draw -= loads[priority]?.healthy ?? 0;
      if (draw < 0) return this.pickAt(priority, "healthy", context, hash);
    }
    for (let priority = 0; priority < loads.length; priority++) {
      draw -= loads[priority]?.degraded ?? 0;
      if (draw < 0) return this.pickAt(priority, "degraded", context, hash);
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

  pickAt(
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

  #rebuild(members: ClusterMembers): void {
    this.#stale = false;
    const { factory } = this.#balancer;
    if (factory === undefined) return;
    const { runtime } = this.#context.services;
    const highest = this.#hosts.reduce((most, host) => Math.max(most, host.priority), 0);
    const sets = Array.from({ length: highest + 1 }, (_, priority) =>
      hostSet(priority, this.#hosts, members),
    );
    this.#sets = sets;
    const panicThreshold = Math.min(100, runtime.number(panicKey, this.#panicThreshold));
    this.#loads = priorityLoads(sets, {
      overprovisioning: members.overprovisioningFactor,
      panicThreshold,
    });
    if (factory.byHash !== true) this.#updateZones(sets[0], panicThreshold);
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

  #updateZones(set: HostSet | undefined, panicThreshold: number): void {
    const { services, stats } = this.#context;
    const { local } = services.clusters;
    if (local === undefined || local.name === this.#name) return;
    const localSet = local.firstSet;
    if (localSet === undefined || set === undefined) return;
    const own = services.node.locality;
    this.#zones ??= new ZoneRouting(this.#balancer.zoneAware, own, { services, stats });
    this.#zones.update(set, localSet, panicThreshold);
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
      slowStart: this.#context.slowStart,
    });
  }

  #picker(factory: BalancerFactory, options: PickerOptions): Picker {
    const weighted = this.#balancer.localityWeighted ? effectiveLocalities(options) : [];
    if (weighted.length === 0) {
      const all = this.#make(factory, options.hosts);
      if (this.#zones === undefined || options.set.priority > 0) return all;
      return this.#zones.picker(options.hosts, all, (hosts) => this.#make(factory, hosts));
    }
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

/** Hosts of one priority. */
export function hostSet(priority: number, all: readonly Host[], members: ClusterMembers): HostSet {
  const hosts = all.filter((host) => host.priority === priority);
  const byLocality = new Map<string, Host[]>();
  for (const host of hosts) {
    const key = localityKey(host);
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
