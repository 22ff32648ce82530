import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { Clock } from "#lib/clock.ts";
import { within } from "#lib/config-error.ts";
import type { Random } from "#lib/random.ts";
import { ipAddress } from "#net/address.ts";
import type { AccessLogSinks } from "../access-log/sinks.ts";
import { compileConnect } from "../cluster/connect-options.ts";
import type { ClusterMembers } from "../cluster/host.ts";
import { compileUpstreamHttp } from "../cluster/upstream-http.ts";
import { LazyHttp2Services } from "../http2-options.ts";
import { TlsLease } from "../lease.ts";
import type { Runtime } from "../runtime.ts";
import type { Services } from "../services.ts";
import type { MainStats } from "../stats/main-stats.ts";
import { type DownstreamInfo, StreamInfo } from "../stream-info.ts";
import { SecretStore } from "../tls/secrets.ts";
import type { TlsContextHolder } from "../tls/status.ts";
import { compileUpstreamTransport } from "../tls/transport-socket.ts";
import type { ToWorker } from "../worker-protocol.ts";
import { ClusterChecker } from "./checker.ts";
import { type CheckSettings, compileHealthCheck } from "./config.ts";
import { CheckEventLog } from "./event-log.ts";
import type { CheckedHost, ImmediateFailure } from "./host-check.ts";

export interface CheckersContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: MainStats;
  readonly logs: AccessLogSinks;
  readonly log: Services["log"];
  readonly publish: (members: ClusterMembers) => void;
  readonly onChange: (checked: CheckedHost) => void;
  /** `host` passed a check and is well. */
  readonly onHealthy: (cluster: string, host: string) => void;
}

const mebibyte = 1024 * 1024;

/** The checkers of all clusters that have health checks, in the main thread. Workers have taken their configuration before: it is valid. */
export class HealthCheckers {
  readonly #checkers: Map<string, ClusterChecker> = new Map();
  readonly #context: CheckersContext;
  readonly #secrets: SecretStore = new SecretStore();
  #started = false;
  readonly #tlsContexts: Set<TlsContextHolder> = new Set();
  /** What a cluster's checks have of the secrets and contexts of all. */
  readonly #leases: Map<string, TlsLease> = new Map();

  constructor(bootstrap: BootstrapJson, context: CheckersContext) {
    this.#context = context;
    this.#secrets.addStatic(bootstrap.staticResources?.secrets ?? []);
  }

  of(cluster: string): ClusterChecker | undefined {
    return this.#checkers.get(cluster);
  }

  /** Secrets have come: hosts can be reached. */
  start(): void {
    this.#started = true;
    for (const checker of this.#checkers.values()) checker.start();
  }

  stop(): void {
    for (const checker of this.#checkers.values()) checker.stop();
  }

  failImmediately({ cluster, host }: ImmediateFailure): void {
    this.#checkers.get(cluster)?.failImmediately(host);
  }

  /** What workers are told of secrets and certificates holds for checks too. */
  onBroadcast(message: ToWorker): void {
    if (message.kind === "secret") this.#secrets.update(message.key, message.secret);
    else if (message.kind === "reload-certificates")
      for (const context of this.#tlsContexts) context.reload(message.directory);
  }

  add(config: ClusterJson): void {
    const settings = compileHealthCheck(config);
    if (settings === undefined) return;
    const { clock, random, runtime, stats, publish, onChange, onHealthy } = this.#context;
    const cluster = config.name ?? "";
    const prefix = `cluster.${(config.altStatName || cluster).replaceAll(":", "_")}.`;
    const scope = stats.own.scope(prefix);
    let used = false;
    const checker = new ClusterChecker(config, settings, {
      clock,
      random,
      runtime,
      root: stats.own,
      stats: scope,
      log: this.#openLog(cluster, settings),
      connector: this.#connector(config, settings, prefix),
      streamInfo: () => new StreamInfo(nobody, clock.wallMs(), clock.monotonicMs()),
      hasTraffic: () => {
        used ||= stats.counterUsed(`${prefix}upstream_cx_total`);
        return used;
      },
      publish,
      onChange: (host, check) => onChange({ cluster, host, check }),
      onHealthy: (host) => onHealthy(cluster, host),
    });
    this.#checkers.set(cluster, checker);
    if (this.#started) checker.start();
  }

  remove(cluster: string): void {
    this.#checkers.get(cluster)?.stop();
    this.#checkers.delete(cluster);
    this.#leases.get(cluster)?.end();
    this.#leases.delete(cluster);
  }

  #connector(config: ClusterJson, settings: CheckSettings, prefix: string) {
    const { clock, stats, logs, log } = this.#context;
    const scope = stats.own.scope(prefix);
    const lease = new TlsLease(this.#secrets, this.#tlsContexts);
    this.#leases.set(config.name ?? "", lease);
    const services = {
      clock,
      secrets: lease.secrets,
      tlsContexts: lease.tlsContexts,
      logSinks: logs,
      log,
      ticketSecret: new Uint8Array(0),
      // Not the first worker: what is said once, that one says.
      workerIndex: Number.MAX_SAFE_INTEGER,
    };
    return {
      options: compileConnect(config),
      transport: compileUpstreamTransport(config, { services, scope }),
      alpn: settings.alpn,
      http: compileUpstreamHttp(config, config.perConnectionBufferLimitBytes ?? mebibyte),
      http2Services: new LazyHttp2Services(scope, () => clock.monotonicMs()),
    };
  }

  #openLog(cluster: string, settings: CheckSettings): CheckEventLog | undefined {
    if (settings.eventLogPaths.length === 0) return undefined;
    const { logs, clock } = this.#context;
    const sinks = within("health_checks[0].event_log_path", () =>
      settings.eventLogPaths.map((path) => logs.file(path)),
    );
    return new CheckEventLog(sinks, { clock, type: settings.probes.type, cluster });
  }
}

const loopback = ipAddress("127.0.0.1", 0);

/** Checks have no client. */
const nobody: DownstreamInfo = {
  connectionId: 0,
  local: loopback,
  directLocal: loopback,
  remote: loopback,
  directRemote: loopback,
  tls: undefined,
  requestedServerName: undefined,
  listenerName: "",
  filterChainName: "",
  listenerMetadata: undefined,
};
