/** What Heddle supports: the tables of all modules in one. A field that is in none of them is refused by name. */

import type { SupportedFields } from "#config/check.ts";
import { supported as accessLog } from "#proxy/access-log/supported.ts";
import { supported as admin } from "#proxy/admin/supported.ts";
import { supported as cluster } from "#proxy/cluster/supported.ts";
import { supported as compression } from "#proxy/compression/supported.ts";
import { supported as dnsCache } from "#proxy/dns-cache/supported.ts";
import { supported as dynamic } from "#proxy/dynamic/supported.ts";
import { supported as filterState } from "#proxy/filter-state/supported.ts";
import { supported as adaptiveConcurrency } from "#proxy/filters/http/adaptive-concurrency/supported.ts";
import { supported as admissionControl } from "#proxy/filters/http/admission-control/supported.ts";
import { supported as bandwidthLimit } from "#proxy/filters/http/bandwidth-limit/supported.ts";
import { supported as buffer } from "#proxy/filters/http/buffer/supported.ts";
import { supported as compressor } from "#proxy/filters/http/compressor/supported.ts";
import { supported as cors } from "#proxy/filters/http/cors/supported.ts";
import { supported as csrf } from "#proxy/filters/http/csrf/supported.ts";
import { supported as decompressor } from "#proxy/filters/http/decompressor/supported.ts";
import { supported as dynamicForwardProxy } from "#proxy/filters/http/dynamic-forward-proxy/supported.ts";
import { supported as fault } from "#proxy/filters/http/fault/supported.ts";
import { supported as grpcHttp1Bridge } from "#proxy/filters/http/grpc-http1-bridge/supported.ts";
import { supported as grpcStats } from "#proxy/filters/http/grpc-stats/supported.ts";
import { supported as grpcWeb } from "#proxy/filters/http/grpc-web/supported.ts";
import { supported as headerMutation } from "#proxy/filters/http/header-mutation/supported.ts";
import { supported as headerToMetadata } from "#proxy/filters/http/header-to-metadata/supported.ts";
import { supported as healthCheck } from "#proxy/filters/http/health-check/supported.ts";
import { supported as httpLocalRatelimit } from "#proxy/filters/http/local-ratelimit/supported.ts";
import { supported as onDemand } from "#proxy/filters/http/on-demand/supported.ts";
import { supported as router } from "#proxy/filters/http/router/supported.ts";
import { supported as setFilterState } from "#proxy/filters/http/set-filter-state/supported.ts";
import { supported as setMetadata } from "#proxy/filters/http/set-metadata/supported.ts";
import { supported as statefulSession } from "#proxy/filters/http/stateful-session/supported.ts";
import { supported as httpInspector } from "#proxy/filters/listener/http-inspector/supported.ts";
import { supported as listenerLocalRatelimit } from "#proxy/filters/listener/local-ratelimit/supported.ts";
import { supported as originalDst } from "#proxy/filters/listener/original-dst/supported.ts";
import { supported as proxyProtocol } from "#proxy/filters/listener/proxy-protocol/supported.ts";
import { supported as tlsInspector } from "#proxy/filters/listener/tls-inspector/supported.ts";
import { supported as connectionLimit } from "#proxy/filters/network/connection-limit/supported.ts";
import { supported as directResponse } from "#proxy/filters/network/direct-response/supported.ts";
import { supported as echo } from "#proxy/filters/network/echo/supported.ts";
import { supported as connectionManager } from "#proxy/filters/network/http-connection-manager/supported.ts";
import { supported as localRatelimit } from "#proxy/filters/network/local-ratelimit/supported.ts";
import { supported as setConnectionState } from "#proxy/filters/network/set-filter-state/supported.ts";
import { supported as sniCluster } from "#proxy/filters/network/sni-cluster/supported.ts";
import { supported as sniDynamicForwardProxy } from "#proxy/filters/network/sni-dynamic-forward-proxy/supported.ts";
import { supported as tcpProxy } from "#proxy/filters/network/tcp-proxy/supported.ts";
import { supported as activeHealthCheck } from "#proxy/health-check/supported.ts";
import { supported as listener } from "#proxy/listener/supported.ts";
import { supported as matching } from "#proxy/matching/supported.ts";
import { supported as outlier } from "#proxy/outlier/supported.ts";
import { supported as overload } from "#proxy/overload/supported.ts";
import { supported as proxyHeader } from "#proxy/proxy-protocol/supported.ts";
import { supported as rateLimit } from "#proxy/rate-limit/supported.ts";
import { supported as rbac } from "#proxy/rbac/supported.ts";
import { supported as route } from "#proxy/route/supported.ts";
import { supported as stats } from "#proxy/stats/supported.ts";
import { supported as tls } from "#proxy/tls/supported.ts";
import { supported as common } from "./common-supported.ts";

type Table = Readonly<Record<string, readonly string[]>>;

export const tables: readonly Table[] = [
  dynamic,
  filterState,
  dnsCache,
  dynamicForwardProxy,
  sniDynamicForwardProxy,
  setConnectionState,
  setFilterState,
  statefulSession,
  adaptiveConcurrency,
  setMetadata,
  headerToMetadata,
  admissionControl,
  buffer,
  csrf,
  cors,
  bandwidthLimit,
  fault,
  compression,
  compressor,
  decompressor,
  grpcHttp1Bridge,
  grpcStats,
  grpcWeb,
  connectionLimit,
  directResponse,
  echo,
  httpLocalRatelimit,
  onDemand,
  localRatelimit,
  rateLimit,
  sniCluster,
  headerMutation,
  healthCheck,
  activeHealthCheck,
  httpInspector,
  listenerLocalRatelimit,
  originalDst,
  proxyProtocol,
  tlsInspector,
  admin,
  stats,
  tls,
  proxyHeader,
  common,
  cluster,
  outlier,
  overload,
  listener,
  matching,
  rbac,
  route,
  tcpProxy,
  accessLog,
  connectionManager,
  router,
];

export const supportedFields: SupportedFields = merge(tables);

/** A type that several modules read has the fields of all of them. */
function merge(parts: readonly Table[]): SupportedFields {
  const merged = new Map<string, Set<string>>();
  for (const table of parts) {
    for (const [type, fields] of Object.entries(table)) {
      const known = merged.get(type) ?? new Set();
      for (const field of fields) known.add(field);
      merged.set(type, known);
    }
  }
  return merged;
}
