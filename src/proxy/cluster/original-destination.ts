import { isIP } from "node:net";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { type Address, addressText, ipAddress } from "#net/address.ts";
import type { PickContext } from "../balancer/balancer.ts";
import type { Services } from "../services.ts";
import type { Counter, Gauge, StatsScope } from "../stats/stats.ts";
import type { Host } from "./host.ts";
import { makeHost } from "./make-host.ts";

interface OriginalDestinationContext {
  readonly services: Services;
  readonly stats: StatsScope;
  readonly onRemoved: (host: Host) => void;
}

/** Clients choose the addresses, so their number needs a limit. */
const hostsMax = 65_536;
const defaultHeader = "x-envoy-original-dst-host";

/** Hosts of an ORIGINAL_DST cluster: each comes into being with the first request for it and goes when nobody used it for a while. */
export class OriginalDestinationHosts {
  readonly #context: OriginalDestinationContext;
  /** Header that may name the destination, in lower case; undefined: none is trusted. */
  readonly #header: string | undefined;
  readonly #portOverride: number | undefined;
  readonly #cleanupMs: number;
  readonly #invalid: Counter;
  readonly #change: Counter;
  readonly #gauges: readonly Gauge[];
  readonly #hosts: Map<string, Host> = new Map();
  readonly #used: Set<Host> = new Set();
  #cleanup: { cancel(): void } | undefined;

  constructor(config: ClusterJson, context: OriginalDestinationContext) {
    const options = config.originalDstLbConfig;
    const name = options?.httpHeaderName ?? "";
    this.#context = context;
    this.#header =
      options?.useHttpHeader === true ? (name || defaultHeader).toLowerCase() : undefined;
    this.#portOverride = options?.upstreamPortOverride;
    this.#cleanupMs = within("cleanup_interval", () => durationMs(config.cleanupInterval, 5000));
    this.#invalid = context.stats.counter("original_dst_host_invalid");
    this.#change = context.stats.counter("membership_change");
    this.#gauges = [
      context.stats.gauge("membership_total"),
      context.stats.gauge("membership_healthy"),
    ];
  }

  /** Made anew on each call: for /clusters, not for requests. */
  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  pick(context: PickContext): Host | undefined {
    const address = this.#destination(context);
    if (address === undefined) return undefined;
    const key = addressText(address);
    const host = this.#hosts.get(key) ?? this.#add(key, address);
    if (host !== undefined) this.#used.add(host);
    return host;
  }

  destroy(): void {
    this.#cleanup?.cancel();
  }

  #destination(context: PickContext): Address | undefined {
    const named = this.#header === undefined ? undefined : context.head?.headers.get(this.#header);
    const address = named === undefined ? restored(context) : this.#parse(named);
    if (address === undefined || address.family === "pipe") return undefined;
    return this.#portOverride === undefined ? address : ipAddress(address.ip, this.#portOverride);
  }

  #parse(text: string): Address | undefined {
    const address = parseAddress(text);
    if (address === undefined) this.#invalid.inc();
    return address;
  }

  #add(key: string, address: Address): Host | undefined {
    if (this.#hosts.size >= hostsMax) {
      this.#context.services.log("warn", `original destination: ${hostsMax} hosts are in use`);
      return undefined;
    }
    const host = makeHost({
      address,
      hostname: "",
      weight: 1,
      health: "healthy",
      edsHealth: "HEALTHY",
      metadata: undefined,
      locality: { region: "", zone: "", subZone: "" },
      priority: 0,
    });
    this.#hosts.set(key, host);
    this.#change.inc();
    for (const gauge of this.#gauges) gauge.inc();
    this.#arm();
    return host;
  }

  #arm(): void {
    this.#cleanup ??= this.#context.services.clock.after(this.#cleanupMs, () => this.#clean());
  }

  #clean(): void {
    this.#cleanup = undefined;
    for (const [key, host] of this.#hosts) {
      if (this.#used.has(host) || host.connectionsActive > 0 || host.requestsActive > 0) continue;
      this.#hosts.delete(key);
      host.removed = true;
      this.#change.inc();
      for (const gauge of this.#gauges) gauge.dec();
      this.#context.onRemoved(host);
    }
    this.#used.clear();
    if (this.#hosts.size > 0) this.#arm();
  }
}

/** The address that the client meant. One that nobody restored is the proxy's own, and going there would be a loop. */
function restored({ originalDestination, info }: PickContext): Address | undefined {
  // Who restores an address puts another object there, even when it says the same.
  if (info !== undefined && info.downstream.local === info.downstream.directLocal) return undefined;
  return originalDestination;
}

/** `10.0.0.1:80` or `[2001:db8::1]:80`; names are refused, as Envoy does. */
function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const ip = match[1] ?? match[2] ?? "";
  const port = Number(match[3]);
  const family = match[1] === undefined ? 4 : 6;
  return isIP(ip) === family && port <= 65_535 ? ipAddress(ip, port) : undefined;
}
