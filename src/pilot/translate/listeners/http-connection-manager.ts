import type { FilterJson } from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { RouteConfigurationJson } from "#gen/envoy/config/route/v3/route_pb.js";
import type { DnsCacheConfigJson } from "#gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js";
import type { FilterConfigJson } from "#gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.js";
import type { RouterJson } from "#gen/envoy/extensions/filters/http/router/v3/router_pb.js";
import type {
  HttpConnectionManagerJson,
  HttpFilterJson,
} from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { Protocol } from "#model/service.ts";
import { packed } from "../any.ts";
import { accessLogs } from "./access-log.ts";
import { headerSettings, type ListenerClass, suppressesDebugHeaders } from "./proxy-headers.ts";
import type { ListenerTraits } from "./traits.ts";

export interface HttpOptions {
  readonly listenerClass: ListenerClass;
  /** Of the listener: Istio ends it with a delimiter, `outbound_0.0.0.0_80;`. */
  readonly statPrefix: string;
  /** A name in RDS, or the routes themselves. */
  readonly routes: string | RouteConfigurationJson;
  readonly protocol: Protocol;
  /** What this kind of listener asks besides. */
  readonly settings?: Partial<HttpConnectionManagerJson>;
}

export interface HttpContext {
  readonly mesh: MeshConfigJson;
  readonly traits: ListenerTraits;
  /** Of clusters whose endpoints a request names: without the filter they would have none. */
  readonly dnsCaches?: readonly DnsCacheConfigJson[];
}

export function httpConnectionManager(
  options: HttpOptions,
  { mesh, traits, dnsCaches = [] }: HttpContext,
): FilterJson {
  const logs = accessLogs(mesh);
  const config: HttpConnectionManagerJson = {
    statPrefix: options.statPrefix,
    ...routeSource(options.routes),
    httpFilters: [...httpFilters(options, traits, dnsCaches)],
    ...http1Options(traits),
    ...(traits.idleTimeout === undefined
      ? {}
      : { commonHttpProtocolOptions: { idleTimeout: traits.idleTimeout } }),
    ...headerSettings(traits.proxyConfig, options.listenerClass),
    streamIdleTimeout: "0s",
    ...(logs.length === 0 ? {} : { accessLog: [...logs] }),
    useRemoteAddress: options.listenerClass === "gateway",
    proxy100Continue: true,
    upgradeConfigs: [{ upgradeType: "websocket" }],
    ...pathNormalization(mesh),
    requestIdExtension: {
      typedConfig: packed("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", {
        useRequestIdForTraceSampling: true,
      }),
    },
    ...options.settings,
  };
  return {
    name: "envoy.filters.network.http_connection_manager",
    typedConfig: packed(
      "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      config,
    ),
  };
}

function routeSource(
  routes: string | RouteConfigurationJson,
): Pick<HttpConnectionManagerJson, "rds" | "routeConfig"> {
  if (typeof routes !== "string") return { routeConfig: routes };
  return {
    rds: {
      // No timeout: a listener that serves before its routes are there would answer 404.
      configSource: { ads: {}, initialFetchTimeout: "0s", resourceApiVersion: "V3" },
      routeConfigName: routes,
    },
  };
}

function http1Options({ http10, proxyConfig }: ListenerTraits): Partial<HttpConnectionManagerJson> {
  const keepsCase = proxyConfig.proxyHeaders?.preserveHttp1HeaderCase === true;
  if (!http10 && !keepsCase) return {};
  return {
    httpProtocolOptions: {
      ...(http10 ? { acceptHttp10: true } : {}),
      ...(keepsCase ? { headerKeyFormat: { statefulFormatter: preserveCase } } : {}),
    },
  };
}

const preserveCase = {
  name: "preserve_case",
  typedConfig: packed(
    "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
    {},
  ),
};

function pathNormalization({
  pathNormalization: { normalization = "DEFAULT" } = {},
}: MeshConfigJson): Partial<HttpConnectionManagerJson> {
  switch (normalization) {
    case "NONE":
      return { normalizePath: false, pathWithEscapedSlashesAction: "KEEP_UNCHANGED" };
    case "MERGE_SLASHES":
      return {
        normalizePath: true,
        mergeSlashes: true,
        pathWithEscapedSlashesAction: "KEEP_UNCHANGED",
      };
    case "DECODE_AND_MERGE_SLASHES":
      return {
        normalizePath: true,
        mergeSlashes: true,
        pathWithEscapedSlashesAction: "UNESCAPE_AND_FORWARD",
      };
    default:
      return { normalizePath: true, pathWithEscapedSlashesAction: "KEEP_UNCHANGED" };
  }
}

/** In Istio's order. Its own extensions (metadata exchange, ALPN, stats) are no part of Envoy and do not appear. */
function httpFilters(
  { protocol }: HttpOptions,
  { proxyConfig }: ListenerTraits,
  dnsCaches: readonly DnsCacheConfigJson[],
): readonly HttpFilterJson[] {
  const stats: FilterConfigJson = { emitFilterState: true, statsForAllMethods: false };
  const router: RouterJson = suppressesDebugHeaders(proxyConfig)
    ? { suppressEnvoyHeaders: true }
    : {};
  const filter = (name: string, message: string, config: object = {}): HttpFilterJson => ({
    name: `envoy.filters.http.${name}`,
    typedConfig: packed(`envoy.extensions.filters.http.${name}.v3.${message}`, config),
  });
  return [
    ...(protocol === "GRPC-Web" ? [filter("grpc_web", "GrpcWeb")] : []),
    filter("grpc_stats", "FilterConfig", stats),
    // Routes configure these two; without the filter here their configuration would be ignored.
    filter("fault", "HTTPFault"),
    filter("cors", "Cors"),
    ...dnsCaches.map((dnsCacheConfig) =>
      filter("dynamic_forward_proxy", "FilterConfig", { dnsCacheConfig }),
    ),
    filter("router", "Router", router),
  ];
}
