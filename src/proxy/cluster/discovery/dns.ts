import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { ipAddress } from "#net/address.ts";
import type { ClusterMembers, EndpointSpec } from "../host.ts";
import type { Discovery, DiscoveryContext } from "./discovery.ts";
import { type UnresolvedEndpoint, unresolvedOf, weightsOf } from "./load-assignment.ts";
import type { ResolvedAddress, Resolver } from "./resolver.ts";

const addressesMax = 10_000;

/** STRICT_DNS: every address is an endpoint. LOGICAL_DNS: the first one is. */
export class DnsDiscovery implements Discovery {
  readonly #config: ClusterJson;
  readonly #logical: boolean;
  readonly #context: DiscoveryContext & { readonly resolver: Resolver };
  readonly #endpoints: readonly UnresolvedEndpoint[];
  readonly #refreshMs: number;
  readonly #failureBaseMs: number;
  readonly #failureMaxMs: number;
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #failures = 0;
  /** What each name last resolved to: a failure keeps it. */
  readonly #last: Map<string, readonly ResolvedAddress[]> = new Map();
  #published = "";

  constructor(config: ClusterJson, type: "STRICT_DNS" | "LOGICAL_DNS", context: DiscoveryContext & { readonly resolver: Resolver }) {
    this.#config = config;
    this.#logical = type === "LOGICAL_DNS";
    this.#context = context;
    this.#endpoints = unresolvedOf(config.loadAssignment);
    this.#refreshMs = within("dns_refresh_rate", () => durationMs(config.dnsRefreshRate, 5000));
    this.#failureBaseMs = within("dns_failure_refresh_rate", () => durationMs(config.dnsFailureRefreshRate?.baseInterval, this.#refreshMs));
    this.#failureMaxMs = within("dns_failure_refresh_rate", () => durationMs(config.dnsFailureRefreshRate?.maxInterval, this.#failureBaseMs * 10));
  }

  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void {
    void this.#refresh(onMembers).then(onTimeout);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #refresh(onMembers: (members: ClusterMembers) => void): Promise<void> {
    const scope = this.#context.stats.scope(`cluster.${this.#config.altStatName ?? this.#config.name ?? ""}.`);
    scope.counter("update_attempt").inc();
    const outcome = await this.#resolveAll();
    if (this.#stopped) return;
    if (outcome.failed) {
      this.#failures++;
      scope.counter("update_failure").inc();
    } else {
      this.#failures = 0;
      scope.counter("update_success").inc();
    }
    const members = this.#members();
    const text = JSON.stringify(members);
    if (text === this.#published) scope.counter("update_no_rebuild").inc();
    else if (!outcome.failed || members.endpoints.length > 0 || this.#published === "") {
      this.#published = text;
      onMembers(members);
    }
    const wait = this.#waitMs(outcome.ttlSeconds);
    this.#timer = this.#context.clock.after(wait, () => void this.#refresh(onMembers));
  }

  #waitMs(ttlSeconds: number | undefined): number {
    if (this.#failures > 0 && this.#config.dnsFailureRefreshRate !== undefined) {
      return Math.min(this.#failureMaxMs, this.#failureBaseMs * 2 ** (this.#failures - 1));
    }
    if (this.#config.respectDnsTtl === true && ttlSeconds !== undefined) return Math.max(1000, ttlSeconds * 1000);
    return this.#refreshMs;
  }

  async #resolveAll(): Promise<{ readonly failed: boolean; readonly ttlSeconds: number | undefined }> {
    let failed = false;
    let ttlSeconds: number | undefined;
    for (const name of new Set(this.#endpoints.map((endpoint) => endpoint.host))) {
      try {
        const found = await this.#resolve(name);
        this.#last.set(name, found);
        for (const address of found) {
          if (address.ttlSeconds !== undefined) ttlSeconds = Math.min(ttlSeconds ?? Number.POSITIVE_INFINITY, address.ttlSeconds);
        }
      } catch (error) {
        failed = true;
        this.#context.log("warn", `dns: cannot resolve ${name}: ${error instanceof Error ? error.message : String(error)}`, { cluster: this.#config.name });
      }
    }
    return { failed, ttlSeconds };
  }

  /** dns_lookup_family: AUTO prefers IPv6, as Envoy does. */
  async #resolve(name: string): Promise<readonly ResolvedAddress[]> {
    const { resolver } = this.#context;
    const family = String(this.#config.dnsLookupFamily ?? "AUTO");
    if (family === "V4_ONLY") return resolver.resolve(name, 4);
    if (family === "V6_ONLY") return resolver.resolve(name, 6);
    if (family === "ALL") return [...(await resolver.resolve(name, 4)), ...(await resolver.resolve(name, 6))];
    const [first, second] = family === "V4_PREFERRED" ? ([4, 6] as const) : ([6, 4] as const);
    const preferred = await resolver.resolve(name, first);
    return preferred.length > 0 ? preferred : resolver.resolve(name, second);
  }

  #members(): ClusterMembers {
    const endpoints: EndpointSpec[] = [];
    for (const endpoint of this.#endpoints) {
      const found = this.#last.get(endpoint.host) ?? [];
      const used = this.#logical ? found.slice(0, 1) : found;
      // In a stable order, so that a server that rotates its answers changes nothing.
      for (const { ip } of this.#logical ? used : [...used].sort((a, b) => (a.ip < b.ip ? -1 : 1))) {
        if (endpoints.length < addressesMax) endpoints.push({ ...endpoint.spec, address: ipAddress(ip, endpoint.port) });
      }
    }
    return { cluster: this.#config.name ?? "", endpoints, ...weightsOf(this.#config.loadAssignment) };
  }
}
