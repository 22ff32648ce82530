/** Filter chains towards the workload itself. Plain text only: mutual TLS comes with PeerAuthentication. */

import type { MetadataJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type {
  FilterChainJson,
  FilterChainMatchJson,
  FilterJson,
} from "#gen/envoy/config/listener/v3/listener_components_pb.js";
import type { DownstreamTlsContextJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { isHttp2 } from "#model/protocol.ts";
import type { Protocol, Service, ServicePort } from "#model/service.ts";
import { decidedBy, type Rule } from "../../provenance.ts";
import { statNameOf } from "../clusters/stat-name.ts";
import { inboundRoute } from "../routes/inbound.ts";
import { httpProtocols } from "./chain.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { listenerProtocol } from "./outbound-table.ts";
import { inboundClientCertificate } from "./proxy-headers.ts";
import { logged, type TcpContext } from "./tcp-proxy.ts";
import { tlsTransportSocket } from "./transport-socket.ts";

/** A port of the workload, or the rest of them. */
export interface InboundTarget {
  readonly cluster: string;
  /** Where the redirected connection was going; undefined: any port. */
  readonly port: number | undefined;
  readonly protocol: Protocol;
  /** In the names of chains and statistics. */
  readonly name: { readonly http: string; readonly tcp: string };
  readonly statPrefix: string;
  /** In traces: `hostname:port/*`. */
  readonly hostname: string;
  readonly servicePort: number;
  /** For names of statistics by a pattern. */
  readonly service?: { readonly service: Service; readonly port: ServicePort } | undefined;
  /** Ends TLS with the Sidecar's own certificate. */
  readonly tls?: DownstreamTlsContextJson | undefined;
  readonly metadata?: MetadataJson | undefined;
  readonly rules: readonly Rule[];
}

export function inboundChains(
  target: InboundTarget,
  context: TcpContext,
): readonly FilterChainJson[] {
  switch (listenerProtocol(target.protocol)) {
    case "http":
      return [chain(target, target.name.http, { filters: httpFilters(target, context) })];
    case "tcp":
      return [chain(target, target.name.tcp, { filters: tcpFilters(target, context) })];
    case "auto":
      return [
        chain(target, target.name.http, {
          filters: httpFilters(target, context),
          applicationProtocols: httpProtocols(context.traits),
        }),
        chain(target, target.name.tcp, { filters: tcpFilters(target, context) }),
      ];
    default:
      return [];
  }
}

interface Contents {
  readonly filters: readonly FilterJson[];
  readonly applicationProtocols?: readonly string[];
}

function chain(
  { port, tls, metadata, rules }: InboundTarget,
  name: string,
  { filters, applicationProtocols }: Contents,
): FilterChainJson {
  const match: FilterChainMatchJson = {
    ...(port === undefined ? {} : { destinationPort: port }),
    transportProtocol: tls === undefined ? "raw_buffer" : "tls",
    ...(applicationProtocols === undefined
      ? {}
      : { applicationProtocols: [...applicationProtocols] }),
  };
  const generated: FilterChainJson = {
    filterChainMatch: match,
    filters: [...filters],
    ...(metadata === undefined ? {} : { metadata }),
    ...(tls === undefined ? {} : { transportSocket: tlsTransportSocket(tls) }),
    name,
  };
  return decidedBy(generated, ...rules);
}

function httpFilters(target: InboundTarget, { scope, traits }: TcpContext): readonly FilterJson[] {
  const { protocol, cluster, hostname, servicePort } = target;
  const filter = httpConnectionManager(
    {
      listenerClass: "inbound",
      statPrefix: target.statPrefix,
      routes: inboundRoute({ cluster, hostname, port: servicePort, protocol }),
      protocol,
      settings: {
        ...inboundClientCertificate(traits.proxyConfig),
        ...(isHttp2(protocol) ? { http2ProtocolOptions: {} } : {}),
      },
    },
    { mesh: scope.mesh, traits },
  );
  return [filter];
}

function tcpFilters(target: InboundTarget, context: TcpContext): readonly FilterJson[] {
  const { cluster, service, port = 0 } = target;
  const pattern = context.scope.mesh.inboundClusterStatName ?? "";
  const statPrefix =
    pattern === "" || service === undefined
      ? cluster
      : statNameOf(pattern, { ...service, subset: "", targetPort: port });
  const { idleTimeout } = context.traits;
  return [
    logged({ statPrefix, cluster, ...(idleTimeout === undefined ? {} : { idleTimeout }) }, context),
  ];
}
