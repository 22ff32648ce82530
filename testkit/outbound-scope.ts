/** Scopes made by hand, for tests of one generator: no collection, no visibility; host names in full. */
import assert from "node:assert/strict";
import type { GatewayJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import { printObjectProblem, readObjects } from "#model/documents.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import { parseProtocol } from "#model/protocol.ts";
import type { Protocol, Service } from "#model/service.ts";
import {
  type DestinationRule,
  type MergedPort,
  type MergedServer,
  meshGateway,
  type OutboundScope,
  type ProxyView,
  type Sidecar,
  type VirtualService,
} from "#pilot/view.ts";

export const domain = "cluster.local";

/** `reviews`, `reviews.prod` or a whole name, with ports such as `9080`, `GRPC:50051`, `auto:7000`. */
export function fakeService(
  name: string,
  ports: readonly (number | string)[],
  overrides: Partial<Service> = {},
): Service {
  const [short = name, namespace = "default", ...rest] = name.split(".");
  const inCluster = rest.length === 0;
  return {
    hostname: inCluster ? `${short}.${namespace}.svc.${domain}` : name,
    namespace: inCluster ? namespace : "default",
    name: inCluster ? short : name,
    ports: ports.map((port) => {
      const [protocol = "", number] = typeof port === "number" ? ["HTTP", port] : port.split(":");
      assert(isProtocol(protocol), `no protocol: ${protocol}`);
      return { name: `p${number}`, number: Number(number), protocol };
    }),
    addresses: [],
    resolution: "static",
    meshExternal: !inCluster,
    headless: false,
    exportTo: ["*"],
    labels: {},
    annotations: {},
    subjectAltNames: [],
    serviceAccounts: [],
    creationMs: 0,
    registry: inCluster ? "Kubernetes" : "External",
    ...overrides,
  };
}

function isProtocol(word: string): word is Protocol {
  return word === "auto" || parseProtocol(word) === word;
}

export interface ScopeOptions extends Partial<OutboundScope> {
  readonly services: readonly Service[];
  /** VirtualServices, DestinationRules and a Sidecar, in YAML; the older first. */
  readonly yaml?: string;
}

/** Everything is visible, and rules apply in the order in which they are written. */
export function fakeScope({ services, yaml = "", ...overrides }: ScopeOptions): OutboundScope {
  const objects = objectsOf(yaml);
  const rules = objects.filter(isVirtualService);
  const virtualServices = (gateway: string): readonly VirtualService[] =>
    rules.filter(({ spec }) => (spec.gateways ?? [meshGateway]).includes(gateway));
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
    mesh: {},
    domain,
    services,
    service: (hostname) => services.find((service) => service.hostname === hostname),
    endpoints: () => [],
    destinationRule: (hostname) =>
      objects.filter(isDestinationRule).find(({ spec }) => spec.host === hostname),
    virtualServices,
    sidecar: objects.find(isSidecar),
    egress: [{ listener: undefined, services, virtualServices: virtualServices(meshGateway) }],
    ...overrides,
  };
}

export function fakeView(scope: OutboundScope, overrides: Partial<ProxyView> = {}): ProxyView {
  return {
    node: fakeNode(scope),
    scope,
    targets: [],
    servers: [],
    secret: () => undefined,
    ...overrides,
  };
}

/** The HTTP servers of the Gateways in a text, by port. */
export function fakeServers(yaml: string): readonly MergedPort[] {
  const ports = new Map<number, MergedServer[]>();
  for (const object of objectsOf(yaml).filter(isGateway)) {
    const { namespace, name } = object.metadata;
    for (const [index, server] of (object.spec.servers ?? []).entries()) {
      const { number = 0, name: portName = "", protocol = "" } = server.port ?? {};
      const https = protocol === "HTTPS";
      const routeName = https
        ? `https.${number}.${portName}.${name}.${namespace}`
        : `http.${number}`;
      const merged = { server, gateway: `${namespace}/${name}`, object, index, routeName };
      ports.set(number, [...(ports.get(number) ?? []), merged]);
    }
  }
  return [...ports].map(([port, servers]) => ({ port, bind: "0.0.0.0", servers }));
}

function objectsOf(yaml: string): readonly ConfigObject[] {
  const { objects, problems } = readObjects("test.yaml", yaml, { validate: false });
  assert.deepEqual(problems.map(printObjectProblem), []);
  return objects;
}

function isVirtualService(object: ConfigObject): object is VirtualService {
  return object.kind === "VirtualService";
}

function isDestinationRule(object: ConfigObject): object is DestinationRule {
  return object.kind === "DestinationRule";
}

function isSidecar(object: ConfigObject): object is Sidecar {
  return object.kind === "Sidecar";
}

function isGateway(object: ConfigObject): object is ConfigObject<GatewayJson> {
  return object.kind === "Gateway";
}

function fakeNode({ type, namespace }: OutboundScope): ProxyNode {
  return {
    id: `${type}~10.0.0.1~caller.${namespace}~${namespace}.svc.${domain}`,
    type,
    ipAddresses: ["10.0.0.1"],
    name: `caller.${namespace}`,
    namespace,
    dnsDomain: `${namespace}.svc.${domain}`,
    labels: {},
    locality: { region: "", zone: "", subZone: "" },
    clusterId: "Kubernetes",
    network: "",
    serviceAccount: "default",
    workloadName: "caller",
    istioVersion: undefined,
    interceptionMode: "REDIRECT",
    dnsCapture: false,
    metadata: {},
  };
}
