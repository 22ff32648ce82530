import type { ServiceEntryJson } from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import type { ConfigObject } from "#model/object.ts";

/** A port of a service; `protocol` as Istio spells it in a port's name: `http`, `grpc`. */
export interface MeshPort {
  readonly port: number;
  readonly name: string;
  readonly protocol: string;
}

export interface MeshService {
  readonly name: string;
  readonly namespace: string;
  readonly domain: string;
  readonly ports: readonly MeshPort[];
}

export interface MeshRelease {
  readonly service: MeshService;
  readonly version: string;
}

/** Marks objects that Heddle wrote for a program, so that `get` can tell them from people's. */
const labels = { "app.kubernetes.io/managed-by": "heddle" };

export function workloadName({ service, version }: MeshRelease): string {
  return `${service.name}-${version.replaceAll(".", "-")}`;
}

export function workloadLabels({
  service,
  version,
}: MeshRelease): Readonly<Record<string, string>> {
  return { app: service.name, version };
}

export function serviceHost({ name, namespace, domain }: MeshService): string {
  return `${name}.${namespace}.svc.${domain}`;
}

/** The service as others call it: what a Kubernetes Service is in a cluster. */
export function serviceEntry(service: MeshService): ConfigObject<ServiceEntryJson> {
  return {
    ...objectOf("ServiceEntry", service.name, service.namespace),
    spec: {
      hosts: [serviceHost(service)],
      location: "MESH_INTERNAL",
      resolution: "STATIC",
      ports: service.ports.map(({ port, name, protocol }) => ({
        number: port,
        name,
        protocol: protocol.toUpperCase(),
      })),
      workloadSelector: { labels: { app: service.name } },
    },
  };
}

/** What Pilot makes a WorkloadEntry of for each sidecar that connects. */
export function workloadGroup(release: MeshRelease): ConfigObject<WorkloadGroupJson> {
  return {
    ...objectOf("WorkloadGroup", workloadName(release), release.service.namespace),
    spec: {
      metadata: { labels: { ...workloadLabels(release) } },
      template: { serviceAccount: release.service.name },
    },
  };
}

function objectOf(kind: string, name: string, namespace: string): Omit<ConfigObject, "spec"> {
  return {
    apiVersion: "networking.istio.io/v1",
    kind,
    // The store says when it was made and which revision it is.
    metadata: { name, namespace, labels, annotations: {}, creationMs: 0, resourceVersion: "" },
  };
}
