import { type Member, Roster } from "#lib/roster.ts";
import { type Address, ipAddress } from "#net/address.ts";
import { type ResolvedAddress, type Resolver, resolveName } from "../cluster/discovery/resolver.ts";
import type { Services } from "../services.ts";
import { authorityKey, splitAuthority } from "./authority.ts";
import { DnsCacheStats } from "./dns-cache-stats.ts";
import { failureDetails, wrongFamily } from "./failure-details.ts";
import type { DnsCacheOptions } from "./options.ts";

/** Waits for a name's first answer, good or bad. */
export interface DnsWaiter extends Member {
  onResolved(host: DnsHost): void;
}

/** Follows the names that have an address. */
export interface DnsFollower {
  onAddress(host: DnsHost): void;
  onRemoved(host: DnsHost): void;
}

/** A name and port that somebody asked for. */
export class DnsHost {
  /** `name:port` */
  readonly key: string;
  readonly name: string;
  readonly port: number;
  readonly waiters: Roster<DnsWaiter> = new Roster();
  /** The last that was found; a failure keeps it. */
  address: Address | undefined = undefined;
  /** There was an answer. */
  resolved = false;
  /** Of the last answer; "" after a success. */
  details = "";
  usedMs: number;
  failures = 0;
  /** Number of the query that is waited for: the answer to one that timed out is nobody's. */
  query = 0;
  timer: { cancel(): void } | undefined = undefined;

  constructor(key: string, { name, port }: { name: string; port: number }, usedMs: number) {
    this.key = key;
    this.name = name;
    this.port = port;
    this.usedMs = usedMs;
  }
}

interface Outcome {
  readonly addresses: readonly ResolvedAddress[];
  readonly failed: boolean;
  readonly details: string;
}

/** Names that clients ask for, in one worker: each is asked for once, and again while it is in use. */
export class DnsCache {
  readonly #options: DnsCacheOptions;
  readonly #services: Services;
  readonly #resolver: Resolver;
  readonly #stats: DnsCacheStats;
  readonly #hosts: Map<string, DnsHost> = new Map();
  readonly #followers: Set<DnsFollower> = new Set();
  #pending = 0;
  #destroyed = false;

  constructor(options: DnsCacheOptions, services: Services, resolver: Resolver) {
    this.#options = options;
    this.#services = services;
    this.#resolver = resolver;
    this.#stats = new DnsCacheStats(services.stats.scope(`dns_cache.${options.name}.`));
    this.#stats.pending(0, options.pendingMax);
    for (const { host, port } of options.preresolved) {
      const key = authorityKey(host, port);
      if (!this.#hosts.has(key)) this.#add(key, port);
    }
  }

  /** The name's host, when there was an answer; while there is none the waiter is told later. */
  load(
    authority: string,
    defaultPort: number,
    waiter: DnsWaiter,
  ): DnsHost | "loading" | "overflow" | "pending-overflow" {
    if (this.#pending >= this.#options.pendingMax) {
      this.#stats.pendingOverflow.inc();
      return "pending-overflow";
    }
    const key = authorityKey(authority, defaultPort);
    const known = this.#hosts.get(key);
    if (known?.resolved === true) return known;
    if (this.#hosts.size >= this.#options.hostsMax) {
      this.#stats.hostOverflow.inc();
      return "overflow";
    }
    const host = known ?? this.#add(key, defaultPort);
    host.waiters.add(waiter);
    this.#countPending(1);
    return "loading";
  }

  /** It no longer waits, if it did. */
  forget(waiter: DnsWaiter, authority: string, defaultPort: number): void {
    if (waiter.place === -1) return;
    const host = this.#hosts.get(authorityKey(authority, defaultPort));
    if (host?.waiters.remove(waiter) === true) this.#countPending(-1);
  }

  touch(host: DnsHost): void {
    host.usedMs = this.#services.clock.monotonicMs();
  }

  /** It hears of the hosts that are there already, too. */
  follow(follower: DnsFollower): void {
    this.#followers.add(follower);
    for (const host of this.#hosts.values())
      if (host.address !== undefined) follower.onAddress(host);
  }

  unfollow(follower: DnsFollower): void {
    this.#followers.delete(follower);
  }

  destroy(): void {
    this.#destroyed = true;
    for (const host of this.#hosts.values()) host.timer?.cancel();
  }

  #countPending(change: number): void {
    this.#pending += change;
    this.#stats.pending(this.#pending, this.#options.pendingMax);
  }

  #add(key: string, defaultPort: number): DnsHost {
    const host = new DnsHost(
      key,
      splitAuthority(key, defaultPort),
      this.#services.clock.monotonicMs(),
    );
    this.#hosts.set(key, host);
    this.#stats.added.inc();
    this.#stats.hosts.inc();
    this.#ask(host);
    return host;
  }

  #ask(host: DnsHost): void {
    this.#stats.attempt.inc();
    host.query++;
    const { query } = host;
    const finish = (outcome: Outcome): void => {
      if (!this.#destroyed && host.query === query) this.#finish(host, outcome);
    };
    host.timer = this.#services.clock.after(this.#options.queryTimeoutMs, () => {
      this.#stats.timeout.inc();
      finish({ addresses: [], failed: true, details: "resolve_timeout" });
    });
    resolveName(this.#resolver, host.name, this.#options.family).then(
      (addresses) =>
        finish(
          addresses.length > 0
            ? { addresses, failed: false, details: "" }
            : { addresses, failed: true, details: wrongFamily },
        ),
      (error: unknown) => {
        const { details, answered } = failureDetails(error);
        finish({ addresses: [], failed: !answered, details });
      },
    );
  }

  #finish(host: DnsHost, outcome: Outcome): void {
    host.query++;
    host.timer?.cancel();
    if (outcome.failed) this.#stats.failure.inc();
    else this.#stats.success.inc();
    host.failures = outcome.failed ? host.failures + 1 : 0;
    host.details = outcome.details;
    host.resolved = true;
    this.#take(host, outcome.addresses);
    const waitMs = outcome.failed ? this.#failureWaitMs(host) : this.#successWaitMs(outcome);
    host.timer = this.#services.clock.after(waitMs, () => this.#again(host));
    for (const waiter of host.waiters.values()) {
      // Another one's answer may have ended it.
      if (!host.waiters.remove(waiter)) continue;
      this.#countPending(-1);
      waiter.onResolved(host);
    }
  }

  /** The address in use stays while the answer still has it; none at all changes nothing. */
  #take(host: DnsHost, addresses: readonly ResolvedAddress[]): void {
    const [first] = addresses;
    const current = host.address;
    if (first === undefined) return;
    if (current?.family !== "pipe" && addresses.some(({ ip }) => ip === current?.ip)) return;
    host.address = ipAddress(first.ip, host.port);
    this.#stats.addressChanged.inc();
    for (const follower of this.#followers) follower.onAddress(host);
  }

  #again(host: DnsHost): void {
    const idleMs = this.#services.clock.monotonicMs() - host.usedMs;
    if (idleMs <= this.#options.hostTtlMs) {
      this.#ask(host);
      return;
    }
    this.#hosts.delete(host.key);
    this.#stats.removed.inc();
    this.#stats.hosts.dec();
    if (host.address === undefined) return;
    for (const follower of this.#followers) follower.onRemoved(host);
  }

  #successWaitMs({ addresses }: Outcome): number {
    const ttl = addresses[0]?.ttlSeconds;
    const { refreshMs, refreshMsMin } = this.#options;
    return ttl === undefined ? refreshMs : Math.max(ttl * 1000, refreshMsMin);
  }

  /** Jittered exponential back-off, as Envoy's: anything up to base × 2ⁿ, at most max. */
  #failureWaitMs({ failures }: DnsHost): number {
    const { failure, refreshMs, refreshMsMin } = this.#options;
    if (failure === undefined) return Math.max(refreshMs, refreshMsMin);
    const ceiling = Math.min(failure.maxMs, failure.baseMs * 2 ** Math.min(failures - 1, 30));
    return Math.max(refreshMsMin, this.#services.random.unit() * ceiling);
  }
}
