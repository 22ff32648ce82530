/** A mesh of many services, and the proxies of its workloads. */
import type { ConfigObject } from "#model/object.ts";

export interface WorldSize {
  readonly services: number;
  readonly endpoints: number;
}

const namespace = "bench";

export const hostOf = (index: number): string => `service-${index}.bench.example.com`;

/** Of a workload; the first of a service is where a proxy of ours runs. */
export function addressOf(index: number, endpoint: number): string {
  const number = index * 16 + endpoint;
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}

export function nodeId(proxy: number, services: number): string {
  const address = addressOf(proxy % services, 0);
  return `sidecar~${address}~proxy-${proxy}.${namespace}~${namespace}.svc.cluster.local`;
}

function object(kind: string, name: string, spec: object): ConfigObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind,
    metadata: { name, namespace, labels: {}, annotations: {}, creationMs: 1, resourceVersion: "" },
    spec,
  };
}

export function service(index: number, { endpoints }: WorldSize, weight = 1): ConfigObject {
  return object("ServiceEntry", `service-${index}`, {
    hosts: [hostOf(index)],
    location: "MESH_INTERNAL",
    resolution: "STATIC",
    ports: [{ number: 80, name: "http", protocol: "HTTP", targetPort: 8080 }],
    endpoints: Array.from({ length: endpoints }, (_, endpoint) => ({
      address: addressOf(index, endpoint),
      labels: { app: `service-${index}`, version: "v1" },
      locality: "region/zone/subzone",
      weight: endpoint === 0 ? weight : 1,
    })),
  });
}

/** Changes one cluster. */
export function rule(index: number, maxConnections: number): ConfigObject {
  return object("DestinationRule", `service-${index}`, {
    host: hostOf(index),
    trafficPolicy: { connectionPool: { tcp: { maxConnections } } },
  });
}

/** Changes one virtual host of the route configuration that all services share. */
export function route(index: number, seconds: number): ConfigObject {
  return object("VirtualService", `service-${index}`, {
    hosts: [hostOf(index)],
    http: [{ timeout: `${seconds}s`, route: [{ destination: { host: hostOf(index) } }] }],
  });
}
