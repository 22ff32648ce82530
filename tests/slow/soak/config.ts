/** What the soaked proxy is told: every part of traffic management that keeps something while a request is under way. */
import { renameSync, writeFileSync } from "node:fs";
import { extension, router } from "../../parity/harness/config.ts";
import type { JsonObject } from "../../parity/harness/placeholders.ts";

const filters = "envoy.extensions.filters";

/** The clusters, each with an EDS file of its own; `upstreams.ts` has hosts for each. */
export const clusterNames = ["plain", "hashed", "secure", "streams", "mirror"] as const;
export type ClusterName = (typeof clusterNames)[number];

export const healthPath = "/health";

export interface SoakFolder {
  readonly folder: string;
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export function bootstrap({ folder, tls }: SoakFolder & { readonly tls: TlsFiles }): JsonObject {
  const secured: JsonObject = {
    transport_socket: extension(
      "envoy.transport_sockets.tls",
      "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
      {
        common_tls_context: {
          alpn_protocols: ["h2", "http/1.1"],
          tls_certificates: [
            {
              certificate_chain: { filename: tls.certificate },
              private_key: { filename: tls.key },
            },
          ],
        },
      },
    ),
  };
  return {
    admin: { address: anyPort },
    cluster_manager: { outlier_detection: { event_log_path: `${folder}/outliers.log` } },
    static_resources: {
      listeners: [
        listener("http1", manager("http1", folder), {}),
        listener("http2", manager("http2", folder), {}),
        listener("tls", manager("tls", folder), secured),
        listener("tcp", tcpProxy, {}),
      ],
      clusters: clusterNames.map((name) => cluster(name, folder, tls)),
    },
  };
}

const anyPort: JsonObject = { socket_address: { address: "127.0.0.1", port_value: 0 } };

const tcpProxy: JsonObject = extension(
  "envoy.filters.network.tcp_proxy",
  `${filters}.network.tcp_proxy.v3.TcpProxy`,
  { stat_prefix: "tcp", cluster: "plain", idle_timeout: "3s", max_connect_attempts: 2 },
);

function listener(name: string, filter: JsonObject, chain: JsonObject): JsonObject {
  return {
    name,
    stat_prefix: name,
    address: anyPort,
    per_connection_buffer_limit_bytes: 65_536,
    filter_chains: [{ filters: [filter], ...chain }],
  };
}

function manager(name: string, folder: string): JsonObject {
  return extension(
    "envoy.filters.network.http_connection_manager",
    `${filters}.network.http_connection_manager.v3.HttpConnectionManager`,
    {
      stat_prefix: name,
      codec_type: name === "http2" ? "HTTP2" : "AUTO",
      stream_idle_timeout: "5s",
      common_http_protocol_options: { idle_timeout: "60s" },
      access_log: [accessLog(folder)],
      http_filters: [...httpFilters, router()],
      route_config: {
        name,
        virtual_hosts: [{ name: "all", domains: ["*"], routes }],
      },
    },
  );
}

function accessLog(folder: string): JsonObject {
  return extension(
    "envoy.access_loggers.file",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    {
      path: `${folder}/access.log`,
      log_format: {
        json_format: {
          start: "%START_TIME%",
          method: "%REQ(:METHOD)%",
          path: "%REQ(:PATH)%",
          protocol: "%PROTOCOL%",
          code: "%RESPONSE_CODE%",
          flags: "%RESPONSE_FLAGS%",
          details: "%RESPONSE_CODE_DETAILS%",
          duration: "%DURATION%",
          host: "%UPSTREAM_HOST%",
          attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        },
      },
    },
  );
}

const percent = (numerator: number): JsonObject => ({ numerator, denominator: "HUNDRED" });

const rateLimit = (config: JsonObject): JsonObject => ({
  stat_prefix: "limited",
  filter_enabled: { default_value: percent(100) },
  filter_enforced: { default_value: percent(100) },
  ...config,
});
const rateLimitType = `${filters}.http.local_ratelimit.v3.LocalRateLimit`;

const httpFilters: readonly JsonObject[] = [
  extension("envoy.filters.http.fault", `${filters}.http.fault.v3.HTTPFault`, {
    delay: { fixed_delay: "0.15s", percentage: percent(5) },
    abort: { http_status: 503, percentage: percent(2) },
    response_rate_limit: { fixed_limit: { limit_kbps: 512 }, percentage: percent(3) },
    max_active_faults: 100,
  }),
  extension(
    "envoy.filters.http.local_ratelimit",
    rateLimitType,
    rateLimit({
      token_bucket: { max_tokens: 100_000, tokens_per_fill: 100_000, fill_interval: "1s" },
    }),
  ),
  extension("envoy.filters.http.buffer", `${filters}.http.buffer.v3.Buffer`, {
    max_request_bytes: 32_768,
  }),
  extension("envoy.filters.http.compressor", `${filters}.http.compressor.v3.Compressor`, {
    compressor_library: extension(
      "gzip",
      "envoy.extensions.compression.gzip.compressor.v3.Gzip",
      {},
    ),
  }),
];

const retryPolicy: JsonObject = {
  retry_on: "5xx,reset,connect-failure,refused-stream",
  num_retries: 2,
  per_try_timeout: "0.4s",
  retry_back_off: { base_interval: "0.01s", max_interval: "0.05s" },
  host_selection_retry_max_attempts: 3,
  retry_host_predicate: [
    extension(
      "envoy.retry_host_predicates.previous_hosts",
      "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
    ),
  ],
};

const to = (name: ClusterName, action: JsonObject = {}): JsonObject => ({
  route: { cluster: name, timeout: "3s", ...action },
});
const unbuffered: JsonObject = {
  "envoy.filters.http.buffer": {
    "@type": `type.googleapis.com/${filters}.http.buffer.v3.BufferPerRoute`,
    disabled: true,
  },
};
const fewTokens: JsonObject = {
  "envoy.filters.http.local_ratelimit": {
    "@type": `type.googleapis.com/${rateLimitType}`,
    ...rateLimit({ token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: "1s" } }),
  },
};

const hashPolicy: readonly JsonObject[] = [
  { cookie: { name: "sticky", ttl: "10s" } },
  { header: { header_name: "x-key" } },
];
const mirrors: readonly JsonObject[] = [
  { cluster: "mirror" },
  { cluster: "mirror", runtime_fraction: { default_value: percent(30) } },
];

const routes: readonly JsonObject[] = [
  { match: { prefix: "/retry" }, ...to("plain", { retry_policy: retryPolicy }) },
  {
    match: { prefix: "/hedge" },
    ...to("plain", {
      retry_policy: { ...retryPolicy, per_try_timeout: "0.1s" },
      hedge_policy: { hedge_on_per_try_timeout: true },
    }),
  },
  { match: { prefix: "/mirror" }, ...to("plain", { request_mirror_policies: mirrors }) },
  {
    match: { prefix: "/streams" },
    ...to("streams", { retry_policy: retryPolicy }),
    typed_per_filter_config: unbuffered,
  },
  {
    match: { prefix: "/secure" },
    ...to("secure", { retry_policy: retryPolicy, request_mirror_policies: mirrors }),
  },
  {
    match: { prefix: "/hashed" },
    ...to("hashed", { retry_policy: retryPolicy, hash_policy: hashPolicy }),
  },
  { match: { prefix: "/limited" }, ...to("plain"), typed_per_filter_config: fewTokens },
  { match: { prefix: "/unbuffered" }, ...to("plain"), typed_per_filter_config: unbuffered },
  { match: { prefix: "/" }, ...to("plain") },
];

/** Where a cluster's endpoints are read from. */
const endpointFile = (name: string, folder: string): string => `${folder}/${name}.json`;

function cluster(name: ClusterName, folder: string, tls: TlsFiles): JsonObject {
  const http2 = name === "streams";
  return {
    name,
    type: "EDS",
    connect_timeout: "0.5s",
    lb_policy: name === "hashed" ? "RING_HASH" : "LEAST_REQUEST",
    per_connection_buffer_limit_bytes: 65_536,
    eds_cluster_config: {
      eds_config: {
        resource_api_version: "V3",
        path_config_source: { path: endpointFile(name, folder) },
      },
    },
    outlier_detection: {
      consecutive_5xx: 3,
      interval: "1s",
      base_ejection_time: "2s",
      max_ejection_time: "6s",
      max_ejection_percent: 50,
      success_rate_minimum_hosts: 3,
      success_rate_request_volume: 10,
    },
    health_checks: [healthCheck(name)],
    circuit_breakers: {
      thresholds: [
        {
          max_connections: 40,
          max_pending_requests: 30,
          max_requests: 60,
          track_remaining: true,
          ...(http2
            ? { max_retries: 5 }
            : { retry_budget: { budget_percent: { value: 50 }, min_retry_concurrency: 5 } }),
        },
      ],
    },
    ...(name === "secure" ? { transport_socket: upstreamTls(tls) } : {}),
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options: { idle_timeout: "2s", max_requests_per_connection: 100 },
        explicit_http_config: http2
          ? { http2_protocol_options: { max_concurrent_streams: 10 } }
          : { http_protocol_options: {} },
      },
    },
  };
}

/** Of several kinds: over kept and new connections, HTTP/2, TLS as the cluster has it, and bare TCP. */
function healthCheck(name: ClusterName): JsonObject {
  const http: JsonObject = {
    http_health_check: {
      path: healthPath,
      codec_client_type: name === "streams" ? "HTTP2" : "HTTP1",
    },
  };
  return {
    timeout: "0.5s",
    interval: "1s",
    no_traffic_interval: "1s",
    unhealthy_threshold: 2,
    healthy_threshold: 1,
    reuse_connection: name !== "hashed",
    ...(name === "mirror" ? { tcp_health_check: {} } : http),
  };
}

function upstreamTls({ authority }: TlsFiles): JsonObject {
  return extension(
    "envoy.transport_sockets.tls",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    {
      sni: "localhost",
      common_tls_context: { validation_context: { trusted_ca: { filename: authority } } },
    },
  );
}

export interface EndpointLine {
  readonly port: number;
  readonly weight?: number;
  readonly health?: "HEALTHY" | "UNHEALTHY" | "DRAINING";
}

/** Moved into place, as a control plane's agent would: a watched file is never half written. */
export function writeEndpoints(
  { folder }: SoakFolder,
  { name, endpoints }: { name: ClusterName; endpoints: readonly EndpointLine[] },
): void {
  const assignment = {
    "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: endpoints.map(({ port, weight = 1, health = "HEALTHY" }) => ({
          endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
          load_balancing_weight: weight,
          health_status: health,
        })),
      },
    ],
  };
  const file = endpointFile(name, folder);
  writeFileSync(`${file}.new`, JSON.stringify({ version_info: "0", resources: [assignment] }));
  renameSync(`${file}.new`, file);
}
