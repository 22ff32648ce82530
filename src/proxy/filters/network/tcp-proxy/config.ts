import type { BackoffStrategyJson } from "#gen/envoy/config/core/v3/backoff_pb.js";
import type {
  TcpProxy_TunnelingConfigJson,
  TcpProxyJson,
} from "#gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileAccessLogs } from "../../../access-log/compile.ts";
import { compileTextFormat } from "../../../access-log/formatter.ts";
import { compileMetadataMatch } from "../../../balancer/metadata-match.ts";
import { compileTlvs } from "../../../proxy-protocol/upstream.ts";
import { compileConnectionHashPolicy } from "../../../route/hash-policy.ts";
import { compileAdditions } from "../../../route/header-changes.ts";
import type { Services } from "../../../services.ts";
import type { NetworkFilterContext, NetworkFilterFactory } from "../filter.ts";
import { type ClusterChoice, TcpProxy, type TcpProxySettings } from "./tcp-proxy.ts";
import type { TunnelSettings } from "./tunnel.ts";

const hourMs = 3_600_000;

export const factory: NetworkFilterFactory = {
  name: "envoy.filters.network.tcp_proxy",
  configType: "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
  terminal: true,
  compile(config, context) {
    const settings = compileTcpProxy(config as TcpProxyJson, context);
    return (stream) => new TcpProxy(settings, stream);
  },
};

function compileTcpProxy(config: TcpProxyJson, context: NetworkFilterContext): TcpProxySettings {
  const { services } = context;
  const scope = services.stats.scope(`tcp.${config.statPrefix ?? ""}.`);
  return {
    services,
    chooseCluster: compileClusters(config, context),
    hashPolicy: compileConnectionHashPolicy(config.hashPolicy),
    metadataMatch: compileMetadataMatch(config.metadataMatch),
    accessLogs: within("access_log", () => compileAccessLogs(config.accessLog, services)),
    idleTimeout: services.timers.of(
      within("idle_timeout", () => durationMs(config.idleTimeout, hourMs)),
    ),
    maxDurationMs: compileMaxDuration(config, services),
    backoffMs: compileBackoff(config.backoffOptions, services),
    logFlush: services.timers.of(
      within("access_log_options.access_log_flush_interval", () =>
        durationMs(config.accessLogOptions?.accessLogFlushInterval, 0),
      ),
    ),
    logsConnected: config.accessLogOptions?.flushAccessLogOnConnected === true,
    connectAttemptsMax: config.maxConnectAttempts ?? 1,
    ...compileConnectMode(config),
    tunnel: within("tunneling_config", () => compileTunnel(config.tunnelingConfig)),
    proxyTlvs:
      config.proxyProtocolTlvs === undefined
        ? undefined
        : within("proxy_protocol_tlvs", () => compileTlvs(config.proxyProtocolTlvs)),
    stats: {
      total: scope.counter("downstream_cx_total"),
      noRoute: scope.counter("downstream_cx_no_route"),
      bytesReceived: scope.counter("downstream_cx_rx_bytes_total"),
      bytesSent: scope.counter("downstream_cx_tx_bytes_total"),
      paused: scope.counter("downstream_flow_control_paused_reading_total"),
      resumed: scope.counter("downstream_flow_control_resumed_reading_total"),
      idleTimeout: scope.counter("idle_timeout"),
      maxDuration: scope.counter("max_downstream_connection_duration"),
      earlyData: scope.counter("early_data_received_count_total"),
      flushTotal: scope.counter("upstream_flush_total"),
      flushActive: scope.gauge("upstream_flush_active"),
    },
  };
}

function compileConnectMode(
  config: TcpProxyJson,
): Pick<TcpProxySettings, "earlyBytesMax" | "waitsForData"> {
  const { upstreamConnectMode = "IMMEDIATE", maxEarlyDataBytes } = config;
  if (upstreamConnectMode !== "IMMEDIATE" && maxEarlyDataBytes === undefined)
    throw refuse(
      "max_early_data_bytes",
      "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE",
    );
  // Filters begin when the handshake is over: that mode is what happens anyway.
  return {
    earlyBytesMax: maxEarlyDataBytes,
    waitsForData: upstreamConnectMode === "ON_DOWNSTREAM_DATA",
  };
}

function compileTunnel(
  config: TcpProxy_TunnelingConfigJson | undefined,
): TunnelSettings | undefined {
  if (config === undefined) return undefined;
  const { hostname = "", usePost = false, postPath = "", headersToAdd } = config;
  if (hostname === "") throw refuse("hostname", "is required");
  if (postPath !== "" && !usePost)
    throw refuse("post_path", "Can't set a post path when POST method isn't used");
  return {
    method: usePost ? "POST" : "CONNECT",
    path: usePost ? postPath || "/" : "",
    hostname: within("hostname", () => compileTextFormat(hostname)),
    headers: { removals: [], additions: compileAdditions("headers_to_add", headersToAdd) },
  };
}

function compileMaxDuration(config: TcpProxyJson, services: Services): (() => number) | undefined {
  const fixed = within("max_downstream_connection_duration", () =>
    durationMs(config.maxDownstreamConnectionDuration, 0),
  );
  if (fixed === 0) return undefined;
  const jitter = Number(config.maxDownstreamConnectionDurationJitterPercentage?.value ?? 0) / 100;
  return jitter === 0 ? () => fixed : () => fixed * (1 + jitter * services.random.unit());
}

/** Exponential with full jitter, as Envoy's. */
function compileBackoff(
  config: BackoffStrategyJson | undefined,
  services: Services,
): ((failures: number) => number) | undefined {
  if (config === undefined) return undefined;
  const base = within("backoff_options.base_interval", () => durationMs(config.baseInterval, 1));
  const max = within("backoff_options.max_interval", () =>
    durationMs(config.maxInterval, 10 * base),
  );
  if (max < base)
    throw refuse(
      "backoff_options",
      "max_backoff_interval must be greater or equal to base_backoff_interval",
    );
  return (failures) => Math.min(max, base * 2 ** (failures - 1)) * services.random.unit();
}

function compileClusters(
  config: TcpProxyJson,
  { services }: NetworkFilterContext,
): () => ClusterChoice {
  const { cluster, weightedClusters, metadataMatch } = config;
  if (cluster !== undefined) {
    const choice = { name: cluster, metadataMatch: compileMetadataMatch(metadataMatch) };
    return () => choice;
  }
  if (weightedClusters === undefined)
    throw refuse("cluster_specifier", "cluster or weighted_clusters is required");
  const entries = compileEach("weighted_clusters.clusters", weightedClusters.clusters, (entry) => ({
    name: entry.name ?? "",
    weight: entry.weight ?? 0,
    metadataMatch: compileMetadataMatch(metadataMatch, entry.metadataMatch),
  }));
  const total = entries.reduce((sum, entry) => sum + entry.weight, 0);
  const last = entries[entries.length - 1] ?? { name: "", metadataMatch: undefined };
  return () => {
    let left = services.random.unit() * total;
    for (const entry of entries) {
      left -= entry.weight;
      if (left < 0) return entry;
    }
    return last;
  };
}
