import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { HttpVersion } from "#http/message.ts";
import { within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import type { HostSet, PickContext } from "../balancer/balancer.ts";
import type { HostCheck } from "../health-check/host-check.ts";
import { LazyHttp2Services } from "../http2-options.ts";
import type { HostVerdict } from "../outlier/report.ts";
import { outlierKey } from "../outlier/slots.ts";
import { WorkerOutlier } from "../outlier/worker-outlier.ts";
import { HttpPool, type PoolSettings } from "../pool/http-pool.ts";
import { PreambledPools } from "../pool/preambled-pools.ts";
import { TcpPool } from "../pool/tcp-pool.ts";
import type { Preamble } from "../proxy-protocol/upstream.ts";
import type { Services } from "../services.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { Metadata } from "../stream-info.ts";
import type { RequestedName } from "../tls/auto-sni.ts";
import { compileUpstreamTransport } from "../tls/transport-socket.ts";
import { Aggregate } from "./aggregate.ts";
import {
  type CircuitBreaker,
  CircuitBreakers,
  connectionsPerHostMax,
  type SharedCells,
} from "./circuit-breakers.ts";
import { ClusterStats } from "./cluster-stats.ts";
import { clusterType } from "./cluster-type.ts";
import { compileConnect } from "./connect-options.ts";
import { dynamicPort } from "./dynamic-hosts.ts";
import type { ClusterMembers, Host } from "./host.ts";
import { HostSets } from "./host-set.ts";
import type { BalancedHosts, Cluster, Drop, Priority, UpstreamCallbacks } from "./manager.ts";
import { compileUpstreamHttp, type UpstreamHttp } from "./upstream-http.ts";

type RequestOptions = Parameters<Cluster["request"]>[0];
type TcpOptions = Parameters<Cluster["connect"]>[0];

const mebibyte = 1024 * 1024;
const hourMs = 3_600_000;

/** A cluster in one worker: its hosts, its breakers, and a pool per host and priority. */
export class WorkerCluster implements Cluster {
  readonly name: string;
  readonly statName: string;
  readonly stats: StatsScope;
  readonly clusterStats: ClusterStats;
  readonly metadata: Metadata | undefined;
  readonly connectTimeoutMs: number;
  readonly bufferLimit: number;
  readonly config: ClusterJson;
  readonly dynamicPort: number | undefined;
  readonly #services: Services;
  readonly #hosts: HostSets;
  readonly #aggregate: Aggregate | undefined;
  readonly #breakers: CircuitBreakers;
  readonly #outlier: WorkerOutlier | undefined;
  /** Its hosts are checked. */
  readonly #checked: boolean;
  readonly #http: UpstreamHttp;
  readonly #settings: PoolSettings;
  /** The other protocol's, when the downstream's version decides. */
  readonly #http2Settings: PoolSettings;
  readonly #tcp: TcpPool;
  /** By host; by priority (DEFAULT, HIGH), and HTTP/2 after HTTP/1 where the downstream's version decides. */
  readonly #pools: Map<Host, (HttpPool | undefined)[]> = new Map();
  readonly #maintenanceKey: string;
  /** Only where connections begin with a PROXY header. */
  #preambled: PreambledPools | undefined;

  constructor(config: ClusterJson, services: Services, cells: SharedCells | undefined) {
    this.config = config;
    this.name = config.name ?? "";
    this.statName =
      config.altStatName === undefined || config.altStatName === ""
        ? this.name
        : config.altStatName;
    this.stats = services.stats.scope(`cluster.${this.statName.replaceAll(":", "_")}.`);
    this.clusterStats = new ClusterStats(this.stats);
    this.metadata = config.metadata?.filterMetadata as Metadata | undefined;
    this.connectTimeoutMs = within("connect_timeout", () =>
      durationMs(config.connectTimeout, 5000),
    );
    this.bufferLimit = config.perConnectionBufferLimitBytes ?? mebibyte;
    this.dynamicPort =
      clusterType(config) === "DYNAMIC_FORWARD_PROXY" ? dynamicPort(config) : undefined;
    this.#services = services;
    this.#breakers = new CircuitBreakers(config, { services, stats: this.stats, cells });
    this.#outlier = WorkerOutlier.of(config, services);
    this.#checked = (config.healthChecks ?? []).length > 0;
    this.#maintenanceKey = `upstream.maintenance_mode.${this.name}`;
    this.#http = compileUpstreamHttp(config, this.bufferLimit);
    this.#aggregate = Aggregate.of(config, services);
    this.#hosts = new HostSets(config, {
      services,
      stats: this.stats,
      onRemoved: (host) => this.#drainHost(host),
      requestsActive: this.clusterStats.requestActive,
      httpHashPolicy: this.#http.hashPolicy,
    });
    const settings = compilePoolSettings(this, { http: this.#http, config, services });
    const { protocol } = this.#http;
    this.#settings = withProtocol(settings, protocol === "downstream" ? 11 : protocol);
    this.#http2Settings = withProtocol(settings, 20);
    this.#tcp = new TcpPool(this.#settings);
  }

  get maintenanceMode(): boolean {
    return this.#services.runtime.featureEnabled(
      this.#maintenanceKey,
      0,
      100,
      this.#services.random.unit(),
    );
  }

  get firstSet(): HostSet | undefined {
    return this.#hosts.firstSet;
  }

  get hosts(): readonly Host[] {
    return this.#hosts.hosts;
  }

  /** For a pool of connections whose ALPN decides it is not known yet: HTTP/1 then. */
  upstreamProtocol(downstream: HttpVersion): HttpVersion {
    const { protocol } = this.#http;
    if (protocol === "downstream") return downstream === 20 ? 20 : 11;
    return protocol ?? 11;
  }

  get balanced(): BalancedHosts {
    return this.#hosts;
  }

  pickHost(context: PickContext): Host | undefined {
    if (this.#aggregate !== undefined) return this.#aggregate.pick(context);
    return this.#hosts.pick(context);
  }

  update(members: ClusterMembers): void {
    this.#hosts.update(members);
    if (this.#checked) this.#hookChecks();
    if (members.outlier !== undefined) this.#outlier?.attach(this.#hosts.hosts, members.outlier);
  }

  healthChanged(host: Host): void {
    this.#hosts.healthChanged(host);
  }

  /** An answer may say that its host is to be left out: that is for the checks to know. */
  #hookChecks(): void {
    for (const host of this.#hosts.hosts) {
      host.failImmediately ??= () =>
        this.#services.reportImmediateFailure({ cluster: this.name, host: outlierKey(host) });
    }
  }

  setCheck(key: string, check: HostCheck): void {
    const host = this.hosts.find((candidate) => outlierKey(candidate) === key);
    if (host !== undefined) this.#hosts.checked(host, check);
  }

  /** Of outlier detection. */
  onVerdict(verdict: HostVerdict): void {
    const host = this.#outlier?.onVerdict(verdict);
    if (host !== undefined) this.healthChanged(host);
  }

  request(options: RequestOptions): { cancel(): void } {
    const owner = this.#aggregate?.ownerOf(options.host);
    if (owner !== undefined) return owner.request(options);
    const preamble = this.#settings.transport?.preambleFor?.(options.host, options.info);
    const requested = this.#http.requestedName?.(options.head);
    const pool =
      preamble === undefined && requested === undefined
        ? this.#pool(options)
        : this.#pooled(options, { preamble, requested });
    return pool.request(options.sink, options.callbacks as UpstreamCallbacks);
  }

  #pool({ host, priority, downstream }: RequestOptions): HttpPool {
    let pools = this.#pools.get(host);
    if (pools === undefined) {
      pools = [];
      this.#pools.set(host, pools);
    }
    const http2 = this.#http.protocol === "downstream" && downstream === 20;
    const index = (priority === "HIGH" ? 1 : 0) + (http2 ? 2 : 0);
    let pool = pools[index];
    if (pool === undefined) {
      const settings = http2 ? this.#http2Settings : this.#settings;
      pool = new HttpPool(host, settings, this.breaker(priority));
      pools[index] = pool;
    }
    return pool;
  }

  /** Connections for requests like this one only. */
  #pooled(
    options: RequestOptions,
    {
      preamble,
      requested,
    }: { readonly preamble: Preamble | undefined; readonly requested: RequestedName | undefined },
  ): HttpPool {
    this.#preambled ??= new PreambledPools();
    const { host, priority, downstream } = options;
    const http2 = this.#http.protocol === "downstream" && downstream === 20;
    const settings = http2 ? this.#http2Settings : this.#settings;
    const key = `${priority} ${http2} ${preamble?.key ?? ""} ${requested?.key ?? ""}`;
    return this.#preambled.of(host, key, () => {
      const own = { ...settings, preamble: preamble?.bytes, requested };
      return new HttpPool(host, own, this.breaker(priority));
    });
  }

  breaker(priority: Priority): CircuitBreaker {
    return this.#breakers.of(priority);
  }

  connect(options: TcpOptions): { cancel(): void } {
    const owner = this.#aggregate?.ownerOf(options.host);
    if (owner !== undefined) return owner.connect(options);
    return this.#tcp.connect(options, this.breaker("DEFAULT"));
  }

  /** A host that left: its idle connections close, running requests finish. */
  #drainHost(host: Host): void {
    for (const pool of this.#pools.get(host) ?? []) pool?.drain();
    this.#pools.delete(host);
    this.#preambled?.drain(host);
  }

  /** It is replaced or gone: idle connections close, running requests finish. */
  drain(): void {
    for (const host of [...this.#pools.keys()]) this.#drainHost(host);
    this.#preambled?.drainAll();
    this.#hosts.destroy();
  }

  destroy(): void {
    for (const pools of this.#pools.values()) for (const pool of pools) pool?.destroy();
    this.#pools.clear();
    this.#preambled?.destroy();
    this.#hosts.destroy();
  }

  get drops(): Drop | undefined {
    return this.#hosts.drops;
  }
}

function compilePoolSettings(
  cluster: WorkerCluster,
  { http, config, services }: { http: UpstreamHttp; config: ClusterJson; services: Services },
): Omit<PoolSettings, "protocol" | "expectedStreams"> {
  const { common } = http;
  const now = (): number => services.clock.monotonicMs();
  return {
    http1: http.http1,
    http2: { ...http.http2, services: new LazyHttp2Services(cluster.stats, now) },
    connect: compileConnect(config),
    transport: compileUpstreamTransport(config, { services, scope: cluster.stats }),
    stats: cluster.clusterStats,
    connectTimeout: services.timers.of(cluster.connectTimeoutMs),
    idleTimeout: services.timers.of(durationMs(common?.idleTimeout, hourMs)),
    maxConnectionDuration: services.timers.of(durationMs(common?.maxConnectionDuration, 0)),
    maxRequestsPerConnection:
      common?.maxRequestsPerConnection ?? config.maxRequestsPerConnection ?? 0,
    bufferLimit: cluster.bufferLimit,
    connectionsPerHostMax: within("circuit_breakers", () => connectionsPerHostMax(config)),
    preconnectRatio: Number(config.preconnectPolicy?.perUpstreamPreconnectRatio ?? 1),
    services,
    now,
  };
}

/** Before ALPN one connection is made for all that wait: if it is HTTP/1, more follow. */
function withProtocol(
  settings: Omit<PoolSettings, "protocol" | "expectedStreams">,
  protocol: HttpVersion | undefined,
): PoolSettings {
  const expectedStreams = protocol === 11 ? 1 : settings.http2.options.maxConcurrentStreams;
  return { ...settings, protocol, expectedStreams };
}
