import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { HealthCheckJson } from "#gen/envoy/config/core/v3/health_check_pb.js";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { clusterType } from "../cluster/cluster-type.ts";
import { compileUpstreamHttp } from "../cluster/upstream-http.ts";
import type { Json, Metadata } from "../stream-info.ts";
import { alpnWire } from "../tls/common.ts";
import { compileGrpcCheck } from "./grpc.ts";
import { compileHttpCheck } from "./http.ts";
import type { ProbeFactory } from "./probe.ts";
import type { Schedule } from "./schedule.ts";
import { compileTcpCheck } from "./tcp.ts";

export interface CheckSettings {
  readonly timeoutMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly reuseConnection: boolean;
  readonly schedule: Schedule;
  readonly probes: ProbeFactory;
  readonly eventLogPaths: readonly string[];
  readonly logsFailures: boolean;
  readonly logsSuccesses: boolean;
  readonly alpn: Uint8Array | undefined;
  /** Goes before the endpoint's own metadata when a transport socket is chosen. */
  readonly transportMetadata: Metadata | undefined;
  /** A host that leaves while it is well goes at once. */
  readonly removesAtOnce: boolean;
  /** New hosts are left out until they were checked. */
  readonly leavesOutNew: boolean;
}

const proxyHeader =
  "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
const mebibyte = 1024 * 1024;
const fileSink = "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink";

/** Undefined: the cluster's hosts are not checked. Throws ConfigError. */
export function compileHealthCheck(cluster: ClusterJson): CheckSettings | undefined {
  const configs = cluster.healthChecks ?? [];
  const config = configs[0];
  if (config === undefined) return undefined;
  if (configs.length > 1) throw refuse("health_checks", "more than one is not supported by Heddle");
  if (clusterType(cluster) === "ORIGINAL_DST")
    throw refuse("health_checks", "is not supported for clusters of type ORIGINAL_DST");
  if (usesProxyHeader(cluster))
    throw refuse("health_checks", "checks through a PROXY header are not supported by Heddle");
  return within("health_checks[0]", () => compileCheck(cluster, config));
}

/** A check that came without the header would be refused by every host. */
function usesProxyHeader({ transportSocket, transportSocketMatches = [] }: ClusterJson): boolean {
  const sockets = [transportSocket, ...transportSocketMatches.map((it) => it.transportSocket)];
  return sockets.some((socket) => {
    // Proof: an Any in ProtoJSON is an object with its type.
    const typed = socket?.typedConfig as { readonly "@type"?: string } | undefined;
    return typed?.["@type"]?.endsWith(proxyHeader) === true;
  });
}

function compileCheck(cluster: ClusterJson, config: HealthCheckJson): CheckSettings {
  return {
    timeoutMs: required(config, "timeout"),
    unhealthyThreshold: threshold("unhealthy_threshold", config.unhealthyThreshold),
    healthyThreshold: threshold("healthy_threshold", config.healthyThreshold),
    reuseConnection: config.reuseConnection !== false,
    schedule: compileSchedule(config),
    probes: compileProbes(cluster, config),
    eventLogPaths: compileLogs(config),
    logsFailures: config.alwaysLogHealthCheckFailures === true,
    logsSuccesses: config.alwaysLogHealthCheckSuccess === true,
    alpn: within("tls_options.alpn_protocols", () => alpnWire(config.tlsOptions?.alpnProtocols)),
    transportMetadata: compileCriteria(config),
    removesAtOnce: cluster.ignoreHealthOnHostRemoval === true,
    leavesOutNew: cluster.commonLbConfig?.ignoreNewHostsUntilFirstHc === true,
  };
}

function required(config: HealthCheckJson, name: "timeout" | "interval"): number {
  const text = config[name];
  if (text === undefined) throw refuse(name, "value is required");
  return within(name, () => positive(durationMs(text)));
}

function positive(ms: number): number {
  if (ms <= 0) throw refuse("", "value must be greater than 0s");
  return ms;
}

function threshold(name: string, value: number | undefined): number {
  if (value === undefined) throw refuse(name, "value is required");
  return value;
}

function compileSchedule(config: HealthCheckJson): Schedule {
  const optional = (name: string, text: string | undefined, absentMs: number): number =>
    text === undefined ? absentMs : within(name, () => positive(durationMs(text)));
  const intervalMs = required(config, "interval");
  const unhealthyMs = optional("unhealthy_interval", config.unhealthyInterval, intervalMs);
  const edgeMs = optional("unhealthy_edge_interval", config.unhealthyEdgeInterval, unhealthyMs);
  const noTrafficMs = optional("no_traffic_interval", config.noTrafficInterval, 60_000);
  return {
    intervalMs,
    unhealthyIntervalMs: unhealthyMs,
    unhealthyEdgeIntervalMs: edgeMs,
    healthyEdgeIntervalMs: optional(
      "healthy_edge_interval",
      config.healthyEdgeInterval,
      intervalMs,
    ),
    noTrafficIntervalMs: noTrafficMs,
    noTrafficHealthyIntervalMs: optional(
      "no_traffic_healthy_interval",
      config.noTrafficHealthyInterval,
      noTrafficMs,
    ),
    initialJitterMs: within("initial_jitter", () => durationMs(config.initialJitter, 0)),
    jitterMs: within("interval_jitter", () => durationMs(config.intervalJitter, 0)),
    jitterPercent: config.intervalJitterPercent ?? 0,
  };
}

function compileProbes(cluster: ClusterJson, config: HealthCheckJson): ProbeFactory {
  const { httpHealthCheck: http, grpcHealthCheck: grpc, tcpHealthCheck: tcp } = config;
  if (http !== undefined) return within("http_health_check", () => compileHttpCheck(http));
  if (tcp !== undefined) return within("tcp_health_check", () => compileTcpCheck(tcp));
  if (grpc === undefined) throw refuse("health_checker", "is required");
  const { protocol } = compileUpstreamHttp(cluster, mebibyte);
  if (protocol === 11)
    throw refuse(
      "grpc_health_check",
      `${cluster.name ?? ""} cluster must support HTTP/2 for gRPC healthchecking`,
    );
  return within("grpc_health_check", () => compileGrpcCheck(grpc));
}

function compileLogs({ eventLogPath, eventLogger }: HealthCheckJson): readonly string[] {
  const paths = compileEach("event_logger", eventLogger, ({ typedConfig }) => {
    // Proof: the reader checked it against its @type.
    const typed = typedConfig as { readonly "@type"?: string; readonly eventLogPath?: string };
    const type = typed?.["@type"]?.split("/").pop() ?? "";
    if (type !== fileSink) throw refuse("typed_config", `${type} is not supported by Heddle`);
    const path = typed.eventLogPath ?? "";
    if (path === "") throw refuse("typed_config.event_log_path", "is required");
    return path;
  });
  return eventLogPath === undefined || eventLogPath === "" ? paths : [eventLogPath, ...paths];
}

function compileCriteria({ transportSocketMatchCriteria }: HealthCheckJson): Metadata | undefined {
  if (transportSocketMatchCriteria === undefined) return undefined;
  // Proof: a Struct is an object of JSON values.
  const criteria = transportSocketMatchCriteria as { readonly [key: string]: Json };
  return { "envoy.transport_socket_match": criteria };
}
