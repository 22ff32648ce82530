import type { TcpProxyJson } from "#gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { compileAccessLogs } from "../../../access-log/compile.ts";
import type { NetworkFilterContext, NetworkFilterFactory } from "../filter.ts";
import { TcpProxy, type TcpProxySettings } from "./tcp-proxy.ts";

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
    accessLogs: within("access_log", () => compileAccessLogs(config.accessLog, services)),
    idleTimeout: services.timers.of(
      within("idle_timeout", () => durationMs(config.idleTimeout, hourMs)),
    ),
    maxDuration: services.timers.of(
      within("max_downstream_connection_duration", () =>
        durationMs(config.maxDownstreamConnectionDuration, 0),
      ),
    ),
    connectAttemptsMax: config.maxConnectAttempts ?? 1,
    stats: {
      total: scope.counter("downstream_cx_total"),
      noRoute: scope.counter("downstream_cx_no_route"),
      bytesReceived: scope.counter("downstream_cx_rx_bytes_total"),
      bytesSent: scope.counter("downstream_cx_tx_bytes_total"),
      paused: scope.counter("downstream_flow_control_paused_reading_total"),
      resumed: scope.counter("downstream_flow_control_resumed_reading_total"),
      idleTimeout: scope.counter("idle_timeout"),
      maxDuration: scope.counter("max_downstream_connection_duration"),
    },
  };
}

function compileClusters(config: TcpProxyJson, { services }: NetworkFilterContext): () => string {
  const { cluster, weightedClusters } = config;
  if (cluster !== undefined) return () => cluster;
  if (weightedClusters === undefined)
    throw refuse("cluster_specifier", "cluster or weighted_clusters is required");
  const entries = compileEach("weighted_clusters.clusters", weightedClusters.clusters, (entry) => ({
    name: entry.name ?? "",
    weight: entry.weight ?? 0,
  }));
  const total = entries.reduce((sum, entry) => sum + entry.weight, 0);
  return () => {
    let left = services.random.unit() * total;
    for (const entry of entries) {
      left -= entry.weight;
      if (left < 0) return entry.name;
    }
    return entries[entries.length - 1]?.name ?? "";
  };
}
