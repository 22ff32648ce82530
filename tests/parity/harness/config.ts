import type { Json, JsonObject } from "./placeholders.ts";

/**
 * Short spellings of the configuration most cases share. They only save typing: what they return is plain v3
 * configuration with placeholders, and a case may write it all by hand.
 */

export interface CaseConfig {
  readonly listeners?: readonly JsonObject[];
  /** A cluster for every fake upstream is added unless one of its name is here. */
  readonly clusters?: readonly JsonObject[];
  /** Secrets of the bootstrap. */
  readonly secrets?: readonly JsonObject[];
}

export interface HttpOptions {
  /** Merged over the connection manager. */
  readonly manager?: JsonObject;
  /** Routes of the one virtual host `*`; by default everything goes to the upstream `main`. */
  readonly routes?: readonly JsonObject[];
  readonly virtualHosts?: readonly JsonObject[];
  /** Merged over the route configuration. */
  readonly routeConfig?: JsonObject;
  /** HTTP filters before the router. */
  readonly filters?: readonly JsonObject[];
  /** Merged over the listener. */
  readonly listener?: JsonObject;
  readonly listenerName?: string;
  readonly clusters?: readonly JsonObject[];
  /** What `t.logLine()` reads; by default code, flags and details. */
  readonly logFormat?: string;
}

export const extension = (name: string, type: string, config: JsonObject = {}): JsonObject => ({
  name,
  typed_config: { "@type": `type.googleapis.com/${type}`, ...config },
});

export const router = (config: JsonObject = {}): JsonObject =>
  extension("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", config);

export const fileAccessLog = (
  format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%",
): JsonObject =>
  extension("envoy.access_loggers.file", "envoy.extensions.access_loggers.file.v3.FileAccessLog", {
    path: "{log}",
    log_format: { text_format_source: { inline_string: `${format}\n` } },
  });

export const connectionManager = (options: HttpOptions): JsonObject =>
  extension(
    "envoy.filters.network.http_connection_manager",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    {
      stat_prefix: "{case}",
      access_log: [fileAccessLog(options.logFormat)],
      route_config: {
        name: "{case}",
        virtual_hosts: options.virtualHosts ?? [
          virtualHost("all", ["*"], options.routes ?? [route()]),
        ],
        ...options.routeConfig,
      },
      http_filters: [...(options.filters ?? []), router()],
      ...options.manager,
    },
  );

/** A listener on a free port; `networkFilters` is its only filter chain. */
export const listener = (
  networkFilters: readonly JsonObject[],
  extra: JsonObject = {},
  name = "main",
): JsonObject => ({
  name: `{case}-${name}`,
  // Without it, the counters of all listeners on port 0 are the same ones.
  stat_prefix: name === "main" ? "{case}" : `{case}-${name}`,
  address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
  ...(networkFilters.length === 0 ? {} : { filter_chains: [{ filters: networkFilters }] }),
  ...extra,
});

/** A listener with a connection manager: the whole configuration of most cases. */
export const http = (options: HttpOptions = {}): CaseConfig => ({
  listeners: [listener([connectionManager(options)], options.listener, options.listenerName)],
  clusters: options.clusters ?? [],
});

export const virtualHost = (
  name: string,
  domains: readonly string[],
  routes: readonly JsonObject[],
  extra: JsonObject = {},
): JsonObject => ({ name, domains, routes, ...extra });

/** A route to the upstream `main`, or with the action (`route`, `redirect`, `direct_response`) in `extra`. */
export const route = (
  match: JsonObject = { prefix: "/" },
  extra: JsonObject = toCluster(),
): JsonObject => ({
  match,
  ...extra,
});

export const toCluster = (name = "main", action: JsonObject = {}): JsonObject => ({
  route: { cluster: `{case}-${name}`, ...action },
});

/** Answers with the text: the shortest way to see which route matched. */
export const direct = (text: string, status = 200): JsonObject => ({
  direct_response: { status, body: { inline_string: text } },
});

export const cluster = (name = "main", extra: JsonObject = {}): JsonObject => ({
  name: `{case}-${name}`,
  connect_timeout: "1s",
  type: "STATIC",
  load_assignment: {
    cluster_name: `{case}-${name}`,
    endpoints: [{ lb_endpoints: [endpoint(name)] }],
  },
  ...extra,
});

export const endpoint = (upstream: string, extra: JsonObject = {}): JsonObject => ({
  endpoint: {
    address: { socket_address: { address: "127.0.0.1", port_value: `{port:${upstream}}` } },
  },
  ...extra,
});

export const header = (key: string, value: string, appendAction?: string): JsonObject => ({
  header: { key, value },
  ...(appendAction === undefined ? {} : { append_action: appendAction }),
});

export type { Json, JsonObject };
