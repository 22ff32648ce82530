import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Random } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import type { ClusterMembers, EndpointSpec } from "../host.ts";
import type { Discovery, DiscoveryContext } from "./discovery.ts";
import type { DiscoveryStats } from "./discovery-stats.ts";
import type { DnsOptions } from "./dns-options.ts";
import { type UnresolvedEndpoint, unresolvedOf, weightsOf } from "./load-assignment.ts";
import { type ResolvedAddress, type Resolver, resolveName } from "./resolver.ts";

interface DnsContext extends Omit<DiscoveryContext, "stats" | "resolver" | "random"> {
  readonly stats: DiscoveryStats;
  readonly resolver: Resolver;
  readonly random: Random;
}

const addressesMax = 10_000;

/** STRICT_DNS: every address is an endpoint. LOGICAL_DNS: the first one is. */
export class DnsDiscovery implements Discovery {
  readonly #config: ClusterJson;
  readonly #targets: readonly Target[];
  readonly #stats: DiscoveryStats;

  constructor(config: ClusterJson, options: DnsOptions, context: DnsContext) {
    this.#config = config;
    this.#stats = context.stats;
    const cluster = config.name ?? "";
    this.#targets = unresolvedOf(config.loadAssignment).map(
      (endpoint) => new Target({ endpoint, options, context, cluster }),
    );
  }

  /** As in Envoy the first name's answer, good or bad, is enough to start with. */
  start(onMembers: (members: ClusterMembers) => void, onTimeout: () => void): void {
    if (this.#targets.length === 0) onMembers(this.#members());
    for (const target of this.#targets) {
      target.start((changed) => {
        if (changed) this.#publish(onMembers);
        else onTimeout();
      });
    }
  }

  stop(): void {
    for (const target of this.#targets) target.stop();
  }

  #publish(onMembers: (members: ClusterMembers) => void): void {
    const members = this.#members();
    this.#stats.membership(members);
    onMembers(members);
  }

  #members(): ClusterMembers {
    const endpoints = this.#targets.flatMap((target) => target.endpoints).slice(0, addressesMax);
    return {
      cluster: this.#config.name ?? "",
      endpoints,
      ...weightsOf(this.#config.loadAssignment),
    };
  }
}

interface TargetParts {
  readonly endpoint: UnresolvedEndpoint;
  readonly options: DnsOptions;
  readonly context: DnsContext;
  readonly cluster: string;
}

/** One name, asked for again and again. A failure keeps what was known. */
class Target {
  endpoints: readonly EndpointSpec[] = [];
  readonly #parts: TargetParts;
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #failures = 0;
  #known: string | undefined;

  constructor(parts: TargetParts) {
    this.#parts = parts;
  }

  /** `onAnswer` is told whether the addresses are other ones now. */
  start(onAnswer: (changed: boolean) => void): void {
    const { context, endpoint, cluster } = this.#parts;
    context.stats.attempt.inc();
    resolveName(context.resolver, endpoint.host, this.#parts.options.family).then(
      (addresses) => {
        if (!this.#stopped) this.#onAddresses(addresses, onAnswer);
      },
      (error: unknown) => {
        if (this.#stopped) return;
        const reason = error instanceof Error ? error.message : String(error);
        context.log("warn", `dns: cannot resolve ${endpoint.host}: ${reason}`, { cluster });
        context.stats.failure.inc();
        this.#failures++;
        onAnswer(false);
        this.#again(this.#failureWaitMs(), onAnswer);
      },
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #onAddresses(addresses: readonly ResolvedAddress[], onAnswer: (changed: boolean) => void): void {
    const { endpoint, options, context } = this.#parts;
    this.#failures = 0;
    context.stats.success.inc();
    const used = options.logical ? this.#logical(addresses) : addresses;
    // Sorted, so that a server that rotates its answers changes nothing.
    const known = used
      .map(({ ip }) => ip)
      .sort()
      .join(" ");
    const changed = known !== this.#known;
    this.#known = known;
    if (changed) {
      this.endpoints = [...new Set(used.map(({ ip }) => ip))].map((ip) => ({
        ...endpoint.spec,
        address: ipAddress(ip, endpoint.port),
      }));
    } else {
      context.stats.noRebuild.inc();
    }
    onAnswer(changed);
    this.#again(this.#successWaitMs(addresses), onAnswer);
  }

  /** The address in use stays while the answer still has it: a logical host's connections are not drained by a rotation. */
  #logical(addresses: readonly ResolvedAddress[]): readonly ResolvedAddress[] {
    const current = this.endpoints[0]?.address.ip;
    // As in Envoy an empty answer changes nothing.
    if (addresses.length === 0 && current !== undefined)
      return [{ ip: current, ttlSeconds: undefined }];
    const kept = addresses.find(({ ip }) => ip === current) ?? addresses[0];
    return kept === undefined ? [] : [kept];
  }

  #again(waitMs: number, onAnswer: (changed: boolean) => void): void {
    this.#timer = this.#parts.context.clock.after(waitMs, () => this.start(onAnswer));
  }

  #successWaitMs(addresses: readonly ResolvedAddress[]): number {
    const { options, context } = this.#parts;
    const ttls = addresses.flatMap(({ ttlSeconds }) =>
      ttlSeconds === undefined ? [] : [ttlSeconds],
    );
    const ttlMs = options.respectTtl && ttls.length > 0 ? Math.min(...ttls) * 1000 : 0;
    return (ttlMs > 0 ? ttlMs : options.refreshMs) + context.random.unit() * options.jitterMs;
  }

  /** Jittered exponential back-off, as Envoy's: anything up to base × 2ⁿ, at most max. */
  #failureWaitMs(): number {
    const { options, context } = this.#parts;
    if (options.failure === undefined) return options.refreshMs;
    const { baseMs, maxMs } = options.failure;
    const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures - 1, 30));
    return Math.max(1, context.random.unit() * ceiling);
  }
}
