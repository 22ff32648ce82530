/** Small views for tests of generators, made by hand: what is not said is as plain as can be. */
import type { Endpoint, Service, ServicePort } from "#model/service.ts";
import type { DestinationRule, OutboundScope, ProxyView } from "#pilot/view.ts";

export function servicePort(port: Partial<ServicePort> & { readonly number: number }): ServicePort {
  return { name: "http", protocol: "HTTP", ...port };
}

export function aService(service: Partial<Service> & { readonly hostname: string }): Service {
  return {
    namespace: "default",
    name: service.hostname.split(".")[0] ?? "",
    ports: [servicePort({ number: 80 })],
    addresses: [],
    resolution: "static",
    meshExternal: false,
    headless: false,
    exportTo: ["*"],
    labels: {},
    annotations: {},
    subjectAltNames: [],
    serviceAccounts: [],
    creationMs: 0,
    registry: "Kubernetes",
    ...service,
  };
}

export function anEndpoint(endpoint: Partial<Endpoint> & { readonly address: string }): Endpoint {
  return {
    ports: { http: 8080 },
    labels: {},
    locality: { region: "", zone: "", subZone: "" },
    weight: 0,
    health: "healthy",
    namespace: "default",
    serviceAccount: "",
    network: "",
    clusterId: "Kubernetes",
    workloadName: "",
    ...endpoint,
  };
}

export function aDestinationRule(
  spec: DestinationRule["spec"],
  name: string = "rule",
): DestinationRule {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: {
      name,
      namespace: "default",
      labels: {},
      annotations: {},
      creationMs: 0,
      resourceVersion: "1",
    },
    spec,
  };
}

/** A service of the view, with what belongs to it. */
export interface Seen {
  readonly service: Service;
  readonly endpoints?: readonly Endpoint[];
  readonly rule?: DestinationRule;
}

export function aScope(seen: readonly Seen[], scope: Partial<OutboundScope> = {}): OutboundScope {
  const byHost = new Map(seen.map((entry) => [entry.service.hostname, entry]));
  const noEndpoints: readonly Endpoint[] = [];
  return {
    key: {},
    type: "sidecar",
    namespace: "default",
    labels: {},
    locality: { region: "", zone: "", subZone: "" },
    clusterId: "Kubernetes",
    network: "",
    interceptionMode: "REDIRECT",
    dnsCapture: false,
    explicitProxy: false,
    mesh: { connectTimeout: "10s" },
    domain: "cluster.local",
    services: seen.map(({ service }) => service),
    service: (hostname) => byHost.get(hostname)?.service,
    endpoints: ({ hostname }) => byHost.get(hostname)?.endpoints ?? noEndpoints,
    destinationRule: (hostname) => byHost.get(hostname)?.rule,
    virtualServices: () => [],
    sidecar: undefined,
    egress: [],
    ...scope,
  };
}

export function aView(scope: OutboundScope, view: Partial<ProxyView> = {}): ProxyView {
  return {
    node: {
      id: "sidecar~10.0.0.1~app-1.default~default.svc.cluster.local",
      type: scope.type,
      ipAddresses: ["10.0.0.1"],
      name: "app-1.default",
      namespace: scope.namespace,
      dnsDomain: "default.svc.cluster.local",
      labels: {},
      locality: scope.locality,
      clusterId: scope.clusterId,
      network: scope.network,
      serviceAccount: "default",
      workloadName: "app",
      istioVersion: undefined,
      interceptionMode: scope.interceptionMode,
      dnsCapture: scope.dnsCapture,
      metadata: {},
    },
    scope,
    targets: [],
    servers: [],
    secret: () => undefined,
    ...view,
  };
}
