import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type {
  Http1ProtocolOptionsJson,
  HttpProtocolOptionsJson,
} from "#gen/envoy/config/core/v3/protocol_pb.js";
import type { HttpProtocolOptionsJson as UpstreamHttpOptionsJson } from "#gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { Http1ClientCodec, type Http1ClientOptions } from "#http/h1/client.ts";
import type { HttpVersion } from "#http/message.ts";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { type Address, ipAddress } from "#net/address.ts";
import type { ConnectOptions } from "#net/connect.ts";
import type { PickContext } from "../balancer/balancer.ts";
import { compileNameCase, fieldsMax } from "../http-options.ts";
import { HttpPool, type PoolSettings } from "../pool/http-pool.ts";
import { TcpPool } from "../pool/tcp-pool.ts";
import type { Services } from "../services.ts";
import type { StatsScope } from "../stats/stats.ts";
import type { Metadata } from "../stream-info.ts";
import { type CircuitBreaker, CircuitBreakers, type SharedCells } from "./circuit-breakers.ts";
import { ClusterStats } from "./cluster-stats.ts";
import type { ClusterMembers, Host } from "./host.ts";
import { HostSets } from "./host-set.ts";
import type { Cluster, Priority, UpstreamCallbacks } from "./manager.ts";

type RequestOptions = Parameters<Cluster["request"]>[0];
type TcpOptions = Parameters<Cluster["connect"]>[0];

const mebibyte = 1024 * 1024;
const hourMs = 3_600_000;
const httpOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

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
  readonly #services: Services;
  readonly #hosts: HostSets;
  readonly #breakers: CircuitBreakers;
  readonly #settings: PoolSettings;
  readonly #tcp: TcpPool;
  /** By host; index 0 is DEFAULT, 1 is HIGH. */
  readonly #pools: Map<Host, (HttpPool | undefined)[]> = new Map();
  readonly #maintenanceKey: string;

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
    this.#services = services;
    this.#breakers = new CircuitBreakers(config, { services, stats: this.stats, cells });
    this.#maintenanceKey = `upstream.maintenance_mode.${this.name}`;
    this.#hosts = new HostSets(config, {
      services,
      stats: this.stats,
      onRemoved: (host) => this.#drainHost(host),
    });
    this.#settings = compilePoolSettings(this, config, services);
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

  get hosts(): readonly Host[] {
    return this.#hosts.hosts;
  }

  upstreamProtocol(_downstream: HttpVersion): HttpVersion {
    return 11;
  }

  pickHost(context: PickContext): Host | undefined {
    return this.#hosts.pick(context);
  }

  update(members: ClusterMembers): void {
    this.#hosts.update(members);
  }

  request(options: RequestOptions): { cancel(): void } {
    return this.#pool(options.host, options.priority).request(
      options.sink,
      options.callbacks as UpstreamCallbacks,
    );
  }

  #pool(host: Host, priority: Priority): HttpPool {
    let pools = this.#pools.get(host);
    if (pools === undefined) {
      pools = [];
      this.#pools.set(host, pools);
    }
    const index = priority === "HIGH" ? 1 : 0;
    let pool = pools[index];
    if (pool === undefined) {
      pool = new HttpPool(host, this.#settings, this.breaker(priority));
      pools[index] = pool;
    }
    return pool;
  }

  breaker(priority: Priority): CircuitBreaker {
    return this.#breakers.of(priority);
  }

  connect(options: TcpOptions): { cancel(): void } {
    return this.#tcp.connect(options, this.breaker("DEFAULT"));
  }

  /** A host that left: its idle connections close, running requests finish. */
  #drainHost(host: Host): void {
    for (const pool of this.#pools.get(host) ?? []) pool?.drain();
    this.#pools.delete(host);
  }

  destroy(): void {
    for (const pools of this.#pools.values()) for (const pool of pools) pool?.destroy();
    this.#pools.clear();
    this.#hosts.destroy();
  }

  get drops(): boolean {
    return this.#hosts.drops;
  }
}

function compilePoolSettings(
  cluster: WorkerCluster,
  config: ClusterJson,
  services: Services,
): PoolSettings {
  const options = httpOptions(config);
  const common = options.common;
  const http1 = compileCodec(options);
  return {
    protocol: 11,
    expectedStreams: 1,
    makeCodec: (connection, handler) => new Http1ClientCodec(http1, connection, handler),
    connect: compileConnect(config),
    stats: cluster.clusterStats,
    connectTimeout: services.timers.of(cluster.connectTimeoutMs),
    idleTimeout: services.timers.of(durationMs(common?.idleTimeout, hourMs)),
    maxConnectionDuration: services.timers.of(durationMs(common?.maxConnectionDuration, 0)),
    maxRequestsPerConnection:
      common?.maxRequestsPerConnection ?? config.maxRequestsPerConnection ?? 0,
    bufferLimit: cluster.bufferLimit,
    preconnectRatio: Number(config.preconnectPolicy?.perUpstreamPreconnectRatio ?? 1),
    now: () => services.clock.monotonicMs(),
  };
}

interface HttpOptions {
  readonly common: HttpProtocolOptionsJson | undefined;
  readonly http1: Http1ProtocolOptionsJson | undefined;
}

/** The new way (typed_extension_protocol_options) or the old fields, never both. */
function httpOptions(config: ClusterJson): HttpOptions {
  const typed = config.typedExtensionProtocolOptions?.[httpOptionsKey] as
    | UpstreamHttpOptionsJson
    | undefined;
  if (typed === undefined)
    return { common: config.commonHttpProtocolOptions, http1: config.httpProtocolOptions };
  const explicit = typed.explicitHttpConfig;
  if (
    explicit?.http2ProtocolOptions !== undefined ||
    explicit?.http3ProtocolOptions !== undefined ||
    typed.autoConfig !== undefined
  ) {
    throw refuse(
      `typed_extension_protocol_options[${httpOptionsKey}]`,
      "only HTTP/1 upstreams are supported yet",
    );
  }
  const http1 =
    explicit?.httpProtocolOptions ?? typed.useDownstreamProtocolConfig?.httpProtocolOptions;
  return { common: typed.commonHttpProtocolOptions, http1 };
}

function compileCodec({ common, http1 }: HttpOptions): Http1ClientOptions {
  return {
    headBytesMax: (common?.maxResponseHeadersKb ?? 80) * 1024,
    fieldsMax: fieldsMax(common),
    lenient: undefined,
    enableTrailers: http1?.enableTrailers ?? false,
    nameCase: compileNameCase(http1),
    allowChunkedLength: http1?.allowChunkedLength ?? false,
  };
}

function compileConnect(config: ClusterJson): ConnectOptions {
  const keepAlive = config.upstreamConnectionOptions?.tcpKeepalive;
  const source = config.upstreamBindConfig?.sourceAddress;
  const bound: Address | undefined =
    source === undefined ? undefined : ipAddress(source.address ?? "", source.portValue ?? 0);
  return {
    keepAlive:
      keepAlive === undefined
        ? undefined
        : {
            idleSeconds: keepAlive.keepaliveTime ?? 7200,
            intervalSeconds: keepAlive.keepaliveInterval ?? 75,
            probes: keepAlive.keepaliveProbes ?? 9,
          },
    source: bound,
  };
}
