import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Clock } from "#lib/clock.ts";
import type { Random } from "#lib/random.ts";
import { type Address, addressText, ipAddress } from "#net/address.ts";
import { DiscoveryStats } from "../cluster/discovery/discovery-stats.ts";
import type { ClusterMembers, EndpointSpec } from "../cluster/host.ts";
import { makeHost } from "../cluster/make-host.ts";
import { endpointIdentity, endpointKey } from "../outlier/watched-host.ts";
import type { Runtime } from "../runtime.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { StreamInfo } from "../stream-info.ts";
import { CheckStats } from "./check-stats.ts";
import type { CheckSettings } from "./config.ts";
import { Connector, type ConnectorSettings } from "./connector.ts";
import type { CheckEventLog } from "./event-log.ts";
import type { HostCheck } from "./host-check.ts";
import { CheckSession } from "./session.ts";

export interface CheckerContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  /** The main thread's root scope, and the cluster's. */
  readonly root: StatsScope;
  readonly stats: StatsScope;
  readonly log: CheckEventLog | undefined;
  readonly connector: ConnectorSettings;
  readonly streamInfo: () => StreamInfo;
  readonly hasTraffic: () => boolean;
  /** The workers' hosts are to be these. */
  readonly publish: (members: ClusterMembers) => void;
  /** One of them is another than before. */
  readonly onChange: (host: string, check: HostCheck) => void;
  /** `host` is well: outlier detection may let it in. */
  readonly onHealthy: (host: string) => void;
}

interface Member {
  readonly key: string;
  endpoint: EndpointSpec;
  /** Undefined: this endpoint is not to be checked. */
  readonly session: CheckSession | undefined;
  /** What the workers know. */
  sent: HostCheck | undefined;
}

/** Active health checks of one cluster, in the main thread: each host is checked once, for all workers. */
export class ClusterChecker {
  readonly #settings: CheckSettings;
  readonly #context: CheckerContext;
  readonly #cluster: string;
  readonly #stats: CheckStats;
  readonly #membership: DiscoveryStats;
  #members: ReadonlyMap<string, Member> = new Map();
  #latest: ClusterMembers | undefined;
  #started = false;
  #onWarm: (() => void) | undefined;

  constructor(cluster: ClusterJson, settings: CheckSettings, context: CheckerContext) {
    this.#settings = settings;
    this.#context = context;
    this.#cluster = cluster.name ?? "";
    this.#stats = new CheckStats(context.stats);
    this.#membership = new DiscoveryStats(cluster, context.root);
  }

  /** From now on hosts are checked. */
  start(): void {
    this.#started = true;
    for (const { session } of this.#members.values()) session?.start();
  }

  stop(): void {
    for (const { session } of this.#members.values()) session?.stop();
  }

  /** What discovery found; `onWarm` is called when each of these hosts has been checked once. */
  update(members: ClusterMembers, onWarm: () => void): void {
    const before = this.#members;
    const added: Member[] = [];
    const next = new Map<string, Member>();
    for (const endpoint of members.endpoints) {
      const key = endpointKey(endpoint);
      if (next.has(key)) continue;
      let member = before.get(key);
      if (member === undefined || identity(member.endpoint) !== identity(endpoint)) {
        member = this.#make(key, endpoint);
        added.push(member);
      }
      member.endpoint = endpoint;
      if (member.session !== undefined) member.session.leaving = false;
      next.set(key, member);
    }
    for (const member of before.values()) this.#release(member, next);
    this.#members = next;
    this.#latest = members;
    this.#onWarm = onWarm;
    this.#publish();
    if (this.#started) for (const { session } of added) session?.start();
    this.#warmIfChecked();
  }

  /** A host that discovery does not name any more stays while it is well, unless the cluster says otherwise. */
  #release(member: Member, next: Map<string, Member>): void {
    const { key, session, endpoint } = member;
    if (next.get(key) === member) return;
    const well =
      session !== undefined && !session.failed && endpoint.health !== "unhealthy" && !next.has(key);
    if (well && !this.#settings.removesAtOnce) {
      session.leaving = true;
      next.set(key, member);
    } else session?.stop();
  }

  #make(key: string, endpoint: EndpointSpec): Member {
    const session = endpoint.checkConfig?.disabled === true ? undefined : this.#session(endpoint);
    return { key, endpoint, session, sent: undefined };
  }

  #session(endpoint: EndpointSpec): CheckSession {
    const { clock, random, runtime, log, hasTraffic, streamInfo } = this.#context;
    const settings = this.#settings;
    const host = makeHost(endpoint);
    const { transportMetadata } = settings;
    if (transportMetadata !== undefined) host.metadata = { ...host.metadata, ...transportMetadata };
    const connector = new Connector(this.#context.connector, host, checkAddress(endpoint));
    return new CheckSession({
      settings,
      host: makeHost(endpoint),
      clock,
      random,
      runtime,
      stats: this.#stats,
      log,
      hasTraffic,
      makeProbe: (owner) =>
        settings.probes.make({
          owner,
          host,
          hostname: endpoint.checkConfig?.hostname ?? "",
          cluster: this.#cluster,
          timeoutMs: settings.timeoutMs,
          reuseConnection: settings.reuseConnection,
          connector,
          stats: this.#stats,
          runtime,
          random,
          streamInfo: (protocol) => {
            const info = streamInfo();
            info.protocol = protocol;
            info.upstreamHost = host;
            return info;
          },
        }),
      onChecked: (session, passed) => this.#onChecked(endpointKey(endpoint), session, passed),
    });
  }

  #onChecked(key: string, session: CheckSession, passed: boolean): void {
    const member = this.#members.get(key);
    if (member?.session !== session) return;
    if (session.failed && session.leaving) this.#remove(member);
    else this.#tell(member, session.state);
    if (passed && !session.failed) this.#context.onHealthy(key);
    this.#warmIfChecked();
  }

  #tell(member: Member, state: HostCheck): void {
    if (member.sent !== undefined && sameCheck(member.sent, state)) return;
    member.sent = state;
    this.#context.onChange(member.key, state);
  }

  #remove(member: Member): void {
    const next = new Map(this.#members);
    next.delete(member.key);
    this.#members = next;
    member.session?.stop();
    this.#publish();
  }

  #publish(): void {
    if (this.#latest === undefined) return;
    const endpoints: EndpointSpec[] = [];
    for (const member of this.#members.values()) {
      member.sent = member.session?.state;
      endpoints.push({ ...member.endpoint, check: member.sent });
    }
    const members = { ...this.#latest, endpoints };
    this.#membership.membership(members);
    this.#context.publish(members);
  }

  #warmIfChecked(): void {
    const onWarm = this.#onWarm;
    if (onWarm === undefined) return;
    for (const { session } of this.#members.values()) if (session?.checked === false) return;
    this.#onWarm = undefined;
    onWarm();
  }

  failImmediately(host: string): void {
    this.#members.get(host)?.session?.failImmediately();
  }
}

/** An endpoint of another identity is checked anew. */
function identity(endpoint: EndpointSpec): string {
  const { checkConfig } = endpoint;
  const { hostname = "", disabled = false } = checkConfig ?? {};
  return [endpointIdentity(endpoint), addressText(checkAddress(endpoint)), hostname, disabled].join(
    "\n",
  );
}

function checkAddress({ address, checkConfig }: EndpointSpec): Address {
  if (checkConfig === undefined) return address;
  const { ip, port } = checkConfig;
  if (ip === "" && port === 0) return address;
  if (ip === "" && address.family === "pipe") return address;
  return ipAddress(ip === "" ? address.ip : ip, port === 0 ? address.port : port);
}

function sameCheck(a: HostCheck, b: HostCheck): boolean {
  return (
    a.failed === b.failed &&
    a.degraded === b.degraded &&
    a.pending === b.pending &&
    a.excluded === b.excluded &&
    a.timedOut === b.timedOut &&
    a.leaving === b.leaving
  );
}
