import type { BootstrapJson } from "#gen/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { AddressJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type { ClusterLoadAssignmentJson } from "#gen/envoy/config/endpoint/v3/endpoint_pb.js";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import type { StatsConfigJson } from "#gen/envoy/config/metrics/v3/stats_pb.js";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HttpProtocolOptionsJson } from "#gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { nodeId, nodeMetadata, type Workload } from "./workload.ts";

export interface BootstrapOptions {
  readonly workload: Workload;
  /** Where Pilot serves xDS in plain text: a host (name or address) and a port. */
  readonly discovery: HostPort;
  readonly admin: HostPort;
  /** Istio's static listeners: Prometheus (15090) and health for load balancers (15021). Undefined: none, as on a laptop. */
  readonly status?: { readonly prometheus: HostPort; readonly health: HostPort } | undefined;
  /** Only the stats that Istio keeps: a mesh of a thousand services has a hundred thousand others. */
  readonly statsOfIstioOnly?: boolean | undefined;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The cluster that leads to Pilot; Istio's name. */
export const discoveryCluster = "xds-grpc";

const adminCluster = "prometheus_stats";

/** What a proxy starts with: who it is and where Pilot is; all else comes over xDS. The same file for Heddle's proxy and for Envoy. */
export function renderBootstrap(options: BootstrapOptions): BootstrapJson {
  const { workload, status, admin } = options;
  const source: ConfigSourceJson = {
    ads: {},
    // Without Pilot there is nothing to serve: a proxy that gave up waiting would say it is ready, and refuse everything.
    initialFetchTimeout: "0s",
    resourceApiVersion: "V3",
  };
  return {
    node: {
      id: nodeId(workload),
      cluster: `${workload.labels["app"] ?? workload.workloadName}.${workload.namespace}`,
      metadata: nodeMetadata(workload),
    },
    admin: { address: socketAddress(admin) },
    statsConfig: statsConfig(options.statsOfIstioOnly === true),
    dynamicResources: {
      adsConfig: {
        apiType: "DELTA_GRPC",
        transportApiVersion: "V3",
        setNodeOnFirstMessageOnly: true,
        grpcServices: [{ envoyGrpc: { clusterName: discoveryCluster } }],
      },
      ldsConfig: source,
      cdsConfig: source,
    },
    staticResources: {
      clusters: [
        pilotCluster(options.discovery),
        ...(status === undefined ? [] : [loopbackCluster(adminCluster, admin)]),
      ],
      ...(status === undefined
        ? {}
        : {
            listeners: [
              statusListener("prometheus", status.prometheus, {
                path: "/stats/prometheus",
                to: "/stats/prometheus",
              }),
              statusListener("health", status.health, { path: "/healthz/ready", to: "/ready" }),
            ],
          }),
    },
  };
}

const pilotProtocol: HttpProtocolOptionsJson = {
  explicitHttpConfig: {
    // A Pilot that is gone without a word (its machine is) is found out in under a minute.
    http2ProtocolOptions: { connectionKeepalive: { interval: "30s", timeout: "10s" } },
  },
};

function pilotCluster({ host, port }: HostPort): ClusterJson {
  const most = 100_000;
  return {
    name: discoveryCluster,
    type: isAddress(host) ? "STATIC" : "STRICT_DNS",
    // A machine on which everything starts at once answers late.
    connectTimeout: "5s",
    dnsLookupFamily: "V4_PREFERRED",
    loadAssignment: oneEndpoint(discoveryCluster, { host, port }),
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        ...pilotProtocol,
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      },
    },
    circuitBreakers: {
      thresholds: (["DEFAULT", "HIGH"] as const).map((priority) => ({
        priority,
        maxConnections: most,
        maxPendingRequests: most,
        maxRequests: most,
      })),
    },
  };
}

function loopbackCluster(name: string, to: HostPort): ClusterJson {
  return {
    name,
    type: "STATIC",
    connectTimeout: "0.250s",
    loadAssignment: oneEndpoint(name, to),
  };
}

function oneEndpoint(clusterName: string, to: HostPort): ClusterLoadAssignmentJson {
  return {
    clusterName,
    endpoints: [{ lbEndpoints: [{ endpoint: { address: socketAddress(to) } }] }],
  };
}

/** One page of the admin port for whoever scrapes or probes from outside, and nothing else of it. */
function statusListener(
  name: string,
  at: HostPort,
  { path, to }: { readonly path: string; readonly to: string },
): ListenerJson {
  const route = { cluster: adminCluster, prefixRewrite: to };
  const manager: HttpConnectionManagerJson = {
    codecType: "AUTO",
    statPrefix: name,
    routeConfig: {
      virtualHosts: [{ name, domains: ["*"], routes: [{ match: { path }, route }] }],
    },
    httpFilters: [
      {
        name: "envoy.filters.http.router",
        typedConfig: {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        },
      },
    ],
  };
  return {
    name: `${name}_${at.port}`,
    address: socketAddress(at),
    filterChains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typedConfig: {
              ...manager,
              "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            },
          },
        ],
      },
    ],
  };
}

function statsConfig(ofIstioOnly: boolean): StatsConfigJson {
  const kept: NonNullable<StatsConfigJson["statsMatcher"]> = {
    inclusionList: {
      patterns: [
        ...["reporter=", "cluster_manager", "listener_manager", "server", "component", "wasm"].map(
          (prefix) => ({ prefix }),
        ),
        { prefix: `cluster.${discoveryCluster}` },
        ...["rbac.allowed", "rbac.denied", "shadow_allowed", "shadow_denied"].map((suffix) => ({
          suffix,
        })),
        { suffix: "downstream_cx_active" },
        { safeRegex: { regex: "vhost.*.route.*" } },
      ],
    },
  };
  return {
    useAllDefaultTags: false,
    statsTags: [...istioTags],
    ...(ofIstioOnly ? { statsMatcher: kept } : {}),
  };
}

/** Istio's labels of proxy stats. A cluster's name has a port and dots in it, which Envoy's own patterns cut short. */
const istioTags: NonNullable<StatsConfigJson["statsTags"]> = [
  { tagName: "cluster_name", regex: "^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)" },
  { tagName: "tcp_prefix", regex: "^tcp\\.((.*?)\\.)\\w+?$" },
  { tagName: "response_code", regex: "_rq(_(\\d{3}))$" },
  { tagName: "response_code_class", regex: "_rq(_(\\dxx))$" },
  {
    tagName: "http_conn_manager_listener_prefix",
    regex: "^listener\\..*?\\.http\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)",
  },
  { tagName: "http_conn_manager_prefix", regex: "^http\\.(((?:[_.[:digit:]]*|[^.]*))\\.)" },
  {
    tagName: "listener_address",
    regex: "^listener\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)",
  },
];

function socketAddress({ host, port }: HostPort): AddressJson {
  return { socketAddress: { address: host, portValue: port } };
}

const isAddress = (host: string): boolean => /^[\d.]+$/.test(host) || host.includes(":");
