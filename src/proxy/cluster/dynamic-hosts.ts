import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { TransportSocketJson } from "#gen/envoy/config/core/v3/base_pb.js";
import { within } from "#lib/config-error.ts";
import type { PickContext } from "../balancer/balancer.ts";
import { authorityKey } from "../dns-cache/authority.ts";
import type { DnsCache, DnsFollower, DnsHost } from "../dns-cache/dns-cache.ts";
import { dynamicHostKey, dynamicPortKey } from "../dns-cache/state-keys.ts";
import type { Services } from "../services.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import { dynamicClusterOf } from "./cluster-type.ts";
import type { Host } from "./host.ts";
import { makeHost } from "./make-host.ts";

interface DynamicContext {
  readonly services: Services;
  readonly stats: StatsScope;
  readonly onRemoved: (host: Host) => void;
}

/** Hosts of a dynamic forward proxy: the names in its cache that have an address. The filter before it asks for them. */
export class DynamicHosts implements DnsFollower {
  readonly #cache: DnsCache;
  readonly #onRemoved: (host: Host) => void;
  readonly #defaultPort: number;
  readonly #change: Counter;
  readonly #gauges: readonly Gauge[];
  readonly #hosts: Map<string, { readonly host: Host; readonly of: DnsHost }> = new Map();

  constructor(config: ClusterJson, { services, stats, onRemoved }: DynamicContext) {
    this.#cache = within("cluster_type.typed_config", () =>
      services.dnsCaches.get(dynamicClusterOf(config)?.dnsCacheConfig, services),
    );
    this.#onRemoved = onRemoved;
    this.#defaultPort = dynamicPort(config);
    this.#change = stats.counter("membership_change");
    this.#gauges = [stats.gauge("membership_total"), stats.gauge("membership_healthy")];
    this.#cache.follow(this);
  }

  /** Made anew on each call: for /clusters, not for requests. */
  get hosts(): readonly Host[] {
    return Array.from(this.#hosts.values(), ({ host }) => host);
  }

  pick({ head, info }: PickContext): Host | undefined {
    const state = info?.filterState;
    const named = state?.get(dynamicHostKey);
    const name =
      named === undefined ? (head?.authority ?? info?.downstream.requestedServerName) : named;
    if (name === undefined || name === "") return undefined;
    const port = state?.get(dynamicPortKey);
    const key = authorityKey(String(name), typeof port === "number" ? port : this.#defaultPort);
    const known = this.#hosts.get(key);
    if (known === undefined) return undefined;
    this.#cache.touch(known.of);
    return known.host;
  }

  onAddress(of: DnsHost): void {
    const { address, key } = of;
    if (address === undefined) return;
    const old = this.#hosts.get(key);
    const host = makeHost({
      address,
      hostname: key,
      weight: 1,
      health: "healthy",
      edsHealth: "HEALTHY",
      metadata: undefined,
      locality: { region: "", zone: "", subZone: "" },
      priority: 0,
    });
    this.#hosts.set(key, { host, of });
    if (old === undefined) this.#count(1);
    else this.#leave(old.host);
  }

  onRemoved({ key }: DnsHost): void {
    const known = this.#hosts.get(key);
    if (known === undefined) return;
    this.#hosts.delete(key);
    this.#count(-1);
    this.#leave(known.host);
  }

  destroy(): void {
    this.#cache.unfollow(this);
  }

  #leave(host: Host): void {
    host.removed = true;
    this.#onRemoved(host);
  }

  #count(change: 1 | -1): void {
    this.#change.inc();
    for (const gauge of this.#gauges) {
      if (change === 1) gauge.inc();
      else gauge.dec();
    }
  }
}

/** Of hosts that say no port. */
export function dynamicPort(config: ClusterJson): number {
  return secures(config.transportSocket) ? 443 : 80;
}

function secures(socket: TransportSocketJson | undefined): boolean {
  const typed = socket?.typedConfig;
  const type = String(typed?.["@type"] ?? "");
  if (type.endsWith(".ProxyProtocolUpstreamTransport"))
    // Proof: its @type, which the reader checked.
    return secures((typed as { readonly transportSocket?: TransportSocketJson }).transportSocket);
  return type.endsWith(".UpstreamTlsContext");
}
