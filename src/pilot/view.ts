import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { DestinationRuleJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { ServerJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type {
  IstioEgressListenerJson,
  SidecarJson,
} from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import type { VirtualServiceJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { NodeType, ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import type { Endpoint, Locality, Service, ServicePort } from "#model/service.ts";
import type { RejectedServer } from "./scope/gateways.ts";

export type VirtualService = ConfigObject<VirtualServiceJson>;
export type DestinationRule = ConfigObject<DestinationRuleJson>;
export type Sidecar = ConfigObject<SidecarJson>;

/** The name that stands for all sidecars in a VirtualService's `gateways`. */
export const meshGateway = "mesh";

/**
 * What a kind of proxy sees of the others: an immutable value that all proxies of the kind share, so that what is generated from it alone
 * (outbound clusters, routes, listeners, endpoints) is generated once and cached by this object.
 */
export interface OutboundScope {
  /**
   * The same object until something other than the endpoints of `static` services changes: what does not read those is cached under it.
   * The scope itself is another one after such a change too.
   */
  readonly key: object;
  readonly type: NodeType;
  readonly namespace: string;
  /** Of the proxy's labels those that some rule looks at (sourceLabels, workload selectors). */
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: Locality;
  readonly clusterId: string;
  readonly network: string;
  readonly interceptionMode: ProxyNode["interceptionMode"];
  readonly dnsCapture: boolean;
  /**
   * Programs use it as their HTTP proxy and nothing is redirected to it (`HEDDLE_HTTP_PROXY`): where a call goes is known from what it names
   * alone.
   */
  readonly explicitProxy: boolean;
  /** Istio's defaults filled in. */
  readonly mesh: MeshConfigJson;
  /** Of services, `cluster.local`. */
  readonly domain: string;
  /** Services that the proxy may call (exportTo, Sidecar egress), private ones first, then the oldest; one for each hostname. */
  readonly services: readonly Service[];
  service(hostname: string): Service | undefined;
  /** Another list after each change of the service's endpoints, and only then. */
  endpoints(service: Service): readonly Endpoint[];
  /**
   * The rule that applies to calls of this host by this proxy: selected and merged (istio.md §1.2), its host in full.
   * `rulesBehind` of it, of its subsets and of its trafficPolicy says where they were written.
   */
  destinationRule(hostname: string): DestinationRule | undefined;
  /**
   * Those that apply through a gateway (`namespace/name`) or `mesh`: short names resolved, delegates merged in, no delegate by itself.
   * Those that only its namespace sees go first, then those exported to it by name, then public ones; in each the oldest first.
   * `rulesBehind(route)` says where a route was written.
   */
  virtualServices(gateway: string): readonly VirtualService[];
  /** Undefined: everything that is exported to it. */
  readonly sidecar: Sidecar | undefined;
  /** The listeners towards others; the catch-all without a port is last. A Sidecar of listeners with ports only has no catch-all. */
  readonly egress: readonly EgressView[];
}

/** All that generators may know when they write one proxy's configuration. What is not in it cannot be read. */
export interface ProxyView {
  readonly node: ProxyNode;
  readonly scope: OutboundScope;
  /** What the workload itself serves: its inbound listeners. */
  readonly targets: readonly ServiceTarget[];
  /** Of gateways: every Gateway that selects the proxy, by port. */
  readonly servers: readonly MergedPort[];
  /** Of those Gateways what another server is in the way of. */
  readonly rejectedServers?: readonly RejectedServer[];
  /** A Kubernetes Secret's data, decoded; `namespace` is where the gateway runs. */
  secret(name: string, namespace: string): Readonly<Record<string, Uint8Array>> | undefined;
}

/** A port of a service that the proxy's own workload answers for. */
export interface ServiceTarget {
  readonly service: Service;
  readonly port: ServicePort;
  readonly endpoint: Endpoint;
  /** Where the workload listens. */
  readonly targetPort: number;
}

/** An egress listener of the Sidecar, with what it lets in. */
export interface EgressView {
  /** Undefined: the built-in catch-all of a proxy without Sidecar. */
  readonly listener: IstioEgressListenerJson | undefined;
  readonly services: readonly Service[];
  readonly virtualServices: readonly VirtualService[];
}

/** What several Gateways ask of one port of a gateway proxy. */
export interface MergedPort {
  /** Where the proxy listens: the Service's targetPort. */
  readonly port: number;
  readonly bind: string;
  readonly servers: readonly MergedServer[];
}

export interface MergedServer {
  readonly server: ServerJson;
  /** `namespace/name` of its Gateway. */
  readonly gateway: string;
  readonly object: ConfigObject;
  /** Place in the Gateway's `servers`. */
  readonly index: number;
  /** `http.80` or `https.443.https.gateway.ns`; undefined: TCP or TLS passthrough. */
  readonly routeName: string | undefined;
}
