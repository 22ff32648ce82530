import type { CircuitBreakers_ThresholdsJson } from "#gen/envoy/config/cluster/v3/circuit_breaker_pb.js";
import type { Http2ProtocolOptionsJson } from "#gen/envoy/config/core/v3/protocol_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type {
  ConnectionPoolSettings_HTTPSettingsJson,
  ConnectionPoolSettings_TCPSettings_TcpKeepaliveJson,
  ConnectionPoolSettingsJson,
  TrafficPolicy_RetryBudgetJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { durationMs } from "#lib/duration.ts";
import { type ClusterDraft, setClientProtocol } from "./draft.ts";

const unlimited = 2 ** 32 - 1;

/** Limits, timeouts and keep-alive of connections; `settings` undefined: Istio's defaults, which limit nothing. */
export function applyConnectionPool(
  draft: ClusterDraft,
  mesh: MeshConfigJson,
  {
    connectionPool: settings = {},
    retryBudget,
  }: {
    readonly connectionPool?: ConnectionPoolSettingsJson;
    readonly retryBudget?: TrafficPolicy_RetryBudgetJson;
  },
): void {
  const { http, tcp } = settings;
  const { cluster } = draft;
  cluster.connectTimeout = tcp?.connectTimeout ?? mesh.connectTimeout ?? "10s";
  applyKeepalive(draft, [mesh.tcpKeepalive, tcp?.tcpKeepalive]);
  cluster.circuitBreakers = { thresholds: [thresholds(settings, retryBudget)] };
  applyHttpOptions(draft, settings);
  if (http?.useClientProtocol === true) setClientProtocol(draft);
  applyHttp2Options(draft, http);
}

function thresholds(
  { http, tcp }: ConnectionPoolSettingsJson,
  budget: TrafficPolicy_RetryBudgetJson | undefined,
): CircuitBreakers_ThresholdsJson {
  return {
    // Zero is "not set" in all of these (they are plain integers in Istio's message).
    maxConnections: positive(tcp?.maxConnections) ?? unlimited,
    maxPendingRequests: positive(http?.http1MaxPendingRequests) ?? unlimited,
    maxRequests: positive(http?.http2MaxRequests) ?? unlimited,
    maxRetries: positive(http?.maxRetries) ?? unlimited,
    trackRemaining: true,
    ...(budget === undefined
      ? {}
      : {
          retryBudget: {
            budgetPercent: { value: budget.percent ?? 20 },
            minRetryConcurrency: positive(budget.minRetryConcurrency) ?? 3,
          },
        }),
  };
}

function applyHttpOptions(draft: ClusterDraft, { http, tcp }: ConnectionPoolSettingsJson): void {
  const idleTimeout = http?.idleTimeout ?? tcp?.idleTimeout;
  const requestsMax = positive(http?.maxRequestsPerConnection);
  const maxConnectionDuration = tcp?.maxConnectionDuration;
  const common = {
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(requestsMax === undefined ? {} : { maxRequestsPerConnection: requestsMax }),
    ...(maxConnectionDuration === undefined ? {} : { maxConnectionDuration }),
  };
  if (Object.keys(common).length > 0) {
    draft.http = { ...draft.http, commonHttpProtocolOptions: common };
  }
}

/** Nothing to do where HTTP/2 is not spoken. */
function applyHttp2Options(
  draft: ClusterDraft,
  http: ConnectionPoolSettings_HTTPSettingsJson | undefined,
): void {
  const streamsMax = positive(http?.maxConcurrentStreams);
  const keepalive = http?.http2KeepAlive;
  const options: Http2ProtocolOptionsJson = {
    ...(streamsMax === undefined ? {} : { maxConcurrentStreams: streamsMax }),
    ...(keepalive === undefined ? {} : { connectionKeepalive: keepalive }),
  };
  const { explicitHttpConfig: explicit, useDownstreamProtocolConfig: downstream } =
    draft.http ?? {};
  if (explicit?.http2ProtocolOptions !== undefined) {
    explicit.http2ProtocolOptions = { ...explicit.http2ProtocolOptions, ...options };
  } else if (downstream?.http2ProtocolOptions !== undefined) {
    downstream.http2ProtocolOptions = { ...downstream.http2ProtocolOptions, ...options };
  }
}

/** The mesh's, each value of it overridden by the rule's. An empty one asks for the system's own values. */
function applyKeepalive(
  { cluster }: ClusterDraft,
  settings: readonly (ConnectionPoolSettings_TCPSettings_TcpKeepaliveJson | undefined)[],
): void {
  for (const keepalive of settings) {
    if (keepalive === undefined) continue;
    const { probes = 0, time, interval } = keepalive;
    cluster.upstreamConnectionOptions = {
      tcpKeepalive: {
        ...cluster.upstreamConnectionOptions?.tcpKeepalive,
        ...(probes > 0 ? { keepaliveProbes: probes } : {}),
        ...(time === undefined ? {} : { keepaliveTime: wholeSeconds(time) }),
        ...(interval === undefined ? {} : { keepaliveInterval: wholeSeconds(interval) }),
      },
    };
  }
}

function wholeSeconds(duration: string): number {
  return Math.floor(durationMs(duration) / 1000);
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

/** Whether HTTP/1.1 requests shall go upstream as HTTP/2 (istio.md §1.2). */
export function upgradesToHttp2(
  http: ConnectionPoolSettings_HTTPSettingsJson | undefined,
  { portSpeaksHttp, mesh }: { readonly portSpeaksHttp: boolean; readonly mesh: MeshConfigJson },
): boolean {
  if (http?.useClientProtocol === true) return false;
  switch (http?.h2UpgradePolicy) {
    // Whoever writes this for a rule knows that the port speaks HTTP, even if its name does not say so.
    case "UPGRADE":
      return true;
    case "DO_NOT_UPGRADE":
      return false;
    default:
      return portSpeaksHttp && mesh.h2UpgradePolicy === "UPGRADE";
  }
}
