import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { Word64 } from "#lib/word64.ts";
import { addressText } from "#net/address.ts";
import type { HostSet, PickContext, Picker } from "../balancer/balancer.ts";
import { LoadWeights } from "../balancer/client-side-weighted-round-robin.ts";
import type { HashPolicy } from "../balancer/hash-policy.ts";
import { type ChosenBalancer, chooseBalancer } from "../balancer/list.ts";
import { SlowStart } from "../balancer/slow-start.ts";
import type { HostCheck } from "../health-check/host-check.ts";
import type { Services } from "../services.ts";
import type { Gauge, StatsScope } from "../stats/stats.ts";
import { clusterType } from "./cluster-type.ts";
import { DynamicHosts } from "./dynamic-hosts.ts";
import { type ClusterMembers, type EndpointSpec, type Host, membersMax } from "./host.ts";
import { applyFlags, combinedHealth } from "./host-health.ts";
import { HostPickers, type HostPickersContext, hostSet } from "./host-pickers.ts";
import { makeHost } from "./make-host.ts";
import type { Drop } from "./manager.ts";
import { MembershipStats } from "./membership-stats.ts";
import { OriginalDestinationHosts } from "./original-destination.ts";
import { OverrideHosts } from "./override-hosts.ts";
import { Subsets } from "./subsets.ts";
import { zoneStats } from "./zone-routing.ts";

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

const noSets: readonly HostSet[] = [];

/** A cluster's hosts in one worker, and which of them the next request gets. */
export class HostSets {
  readonly #context: HostSetsContext;
  readonly #balancer: ChosenBalancer;
  readonly #closesOnChange: boolean;
  /** Chooses among all hosts, or among those of a subset. */
  readonly #picker: Picker;
  /** The same, unless hosts come into being with requests. */
  readonly #balanced: HostPickers | Subsets | undefined;
  /** Hosts that no discovery reports: clients name them. */
  readonly #provided: OriginalDestinationHosts | DynamicHosts | undefined;
  readonly #overrides: OverrideHosts;
  readonly #slowStart: SlowStart | undefined;
  /** Undefined: hosts have the weights that they are configured with. */
  readonly #loadWeights: LoadWeights | undefined;
  readonly #membership: MembershipStats | undefined;
  #hosts: readonly Host[] = [];
  #byKey: Map<string, Host> = new Map();
  #dropFraction = 0;
  #members: ClusterMembers | undefined;
  /** Made when somebody asks: only the cluster that the proxy belongs to is asked. */
  #firstSet: HostSet | undefined;
  /** Whether the balancer goes by a hash, and the current pick's. */
  readonly #hashes: boolean;
  readonly #hash = new Word64();

  constructor(config: ClusterJson, context: HostSetsContext) {
    this.#context = context;
    this.#balancer = chooseBalancer(config);
    this.#hashes = this.#balancer.factory?.byHash === true;
    this.#closesOnChange = config.commonLbConfig?.closeConnectionsOnHostSetChange === true;
    this.#slowStart = SlowStart.of(this.#balancer.config?.slowStartConfig, context.services);
    this.#loadWeights = LoadWeights.of(this.#balancer.config?.loadWeighing, context.services.clock);
    this.#overrides = new OverrideHosts(config);
    // Shown by every cluster.
    context.stats.counter("lb_healthy_panic");
    zoneStats(context.stats);
    const type = clusterType(config);
    if (type === "ORIGINAL_DST") this.#provided = new OriginalDestinationHosts(config, context);
    if (type === "DYNAMIC_FORWARD_PROXY") this.#provided = new DynamicHosts(config, context);
    if (this.#provided !== undefined) {
      this.#picker = this.#provided;
      return;
    }
    this.#membership = MembershipStats.of(context.stats, context.services);
    this.#balanced = makePickers(config, {
      ...context,
      balancer: this.#balancer,
      slowStart: this.#slowStart,
    });
    this.#picker = this.#balanced;
  }

  get hosts(): readonly Host[] {
    return this.#provided?.hosts ?? this.#hosts;
  }

  get sets(): readonly HostSet[] {
    return this.#balanced instanceof HostPickers ? this.#balanced.sets : noSets;
  }

  /** Of one priority's hosts of one health, whatever its share of requests. */
  pickAt(priority: number, health: "healthy" | "degraded", context: PickContext): Host | undefined {
    if (!(this.#balanced instanceof HostPickers)) return undefined;
    if (this.#loadWeights?.refresh() === true) this.#balanced.healthChanged();
    const hash = this.#hashes ? this.#hashOf(context) : undefined;
    return this.#balanced.pickAt(priority, health, context, hash);
  }

  /** Of the first priority; another object after each change. */
  get firstSet(): HostSet | undefined {
    if (this.#members === undefined) return undefined;
    this.#firstSet ??= hostSet(0, this.#hosts, this.#members);
    return this.#firstSet;
  }

  /** The control plane's wish that this request be dropped (drop_overloads), drawn anew on each call. */
  get drops(): Drop | undefined {
    if (this.#dropFraction === 0) return undefined;
    if (this.#dropFraction >= 1) return "all";
    return this.#context.services.random.unit() < this.#dropFraction ? "some" : undefined;
  }

  /** Replace the membership. Hosts whose address stays keep their identity, counts and connections. */
  update(members: ClusterMembers): void {
    if (this.#provided !== undefined) return;
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
    this.#firstSet = undefined;
    this.#slowStart?.note(this.#hosts);
    this.#loadWeights?.adopt(this.#hosts);
    this.#balanced?.update(this.#hosts, members);
    this.#drain(previous, next);
    this.#membership?.recount(this.#hosts);
  }

  /** After one of the host's health flags has changed. The pickers are made anew by the next pick, once for all changes until then. */
  healthChanged(host: Host): void {
    const health = combinedHealth(host);
    if (health === host.health) return;
    this.#membership?.changed(host.health, health);
    host.health = health;
    this.#slowStart?.note([host]);
    this.#healthChanged();
  }

  #healthChanged(): void {
    this.#firstSet = undefined;
    this.#balanced?.healthChanged();
  }

  /** What active checks now say of a host. */
  checked(host: Host, check: HostCheck): void {
    const before = host.health;
    const excludedBefore = host.excluded;
    applyFlags(host, check);
    this.#membership?.changed(before, host.health);
    if (host.excluded !== excludedBefore) this.#membership?.excludedChanged(host.excluded);
    this.#slowStart?.note([host]);
    if (host.health !== before || host.excluded !== excludedBefore) this.#healthChanged();
  }

  /** Undefined: no host (UH). */
  pick(context: PickContext): Host | undefined {
    if (context.override !== undefined) {
      const host = this.#overrides.find(this.#hosts, context.override);
      if (host !== undefined || context.override.strict) return host;
    }
    if (this.#loadWeights?.refresh() === true) this.#balanced?.healthChanged();
    return this.#picker.pick(context, this.#hashes ? this.#hashOf(context) : undefined);
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
    this.#provided?.destroy();
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

function makePickers(config: ClusterJson, context: HostPickersContext): HostPickers | Subsets {
  const { subsets } = context.balancer;
  return subsets === undefined
    ? new HostPickers(config, context)
    : new Subsets(config, subsets, context);
}
