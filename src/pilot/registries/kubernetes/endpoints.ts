import type { ConfigObject } from "#model/object.ts";
import type { Endpoint, EndpointHealth, Service } from "#model/service.ts";
import { drainingLabel, endpointOf } from "../service-entry/workload-entry.ts";
import type { Workload } from "../workload.ts";
import type {
  EndpointAddress,
  EndpointSliceBody,
  EndpointsBody,
  PortBody,
  ServiceSpec,
} from "./objects.ts";
import { localityOf } from "./pod.ts";

/** What the endpoints of a service are made from; all of its own namespace. */
export interface EndpointSources {
  readonly slices: readonly ConfigObject<EndpointSliceBody>[];
  readonly endpoints: ConfigObject<EndpointsBody> | undefined;
  /** Pods and WorkloadEntries that the service selects. */
  readonly selected: readonly Workload[];
  /** The Pod of the name, or, without a name, at the address. */
  pod(name: string | undefined, address: string): Workload | undefined;
  nodeLabels(name: string): Readonly<Record<string, string>>;
  /** The network and cluster of an address that no Pod is known for. */
  readonly network: string;
  readonly clusterId: string;
}

/**
 * EndpointSlices, else Endpoints, say where a service's Pods are; in files that have neither, the Pods that it selects are taken, as
 * Kubernetes' own controller would. WorkloadEntries that the service selects come in addition.
 */
export function endpointsOf(
  service: Service,
  spec: ServiceSpec,
  sources: EndpointSources,
): readonly Endpoint[] {
  if (service.resolution === "alias") return [];
  return [
    ...podEndpoints(service, spec, sources),
    ...sources.selected
      .filter(({ kind, address }) => kind === "WorkloadEntry" && address !== "")
      .map((workload) => endpointOf(workload, portsOf(workload, service))),
  ];
}

function podEndpoints(
  service: Service,
  spec: ServiceSpec,
  sources: EndpointSources,
): readonly Endpoint[] {
  const found = listedAddresses(sources);
  const endpoints =
    found === undefined
      ? sources.selected
          .filter(({ kind, address }) => kind === "Pod" && address !== "")
          .map((pod) => endpointOf(pod, portsOf(pod, service)))
      : found.map((listed) => listedEndpoint(listed, service, sources));
  if (!spec.publishNotReadyAddresses) return endpoints;
  return endpoints.map((endpoint) =>
    endpoint.health === "unhealthy" ? { ...endpoint, health: "healthy" as const } : endpoint,
  );
}

/** An address that Kubernetes lists for a service. */
interface Listed {
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly health: EndpointHealth;
  readonly hostname: string | undefined;
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
  /** Of the Pod behind it. */
  readonly podName: string | undefined;
}

/** Undefined: neither slices nor Endpoints are there for the service. */
function listedAddresses({ slices, endpoints }: EndpointSources): readonly Listed[] | undefined {
  if (slices.length > 0) {
    const byAddress = new Map<string, Listed>();
    for (const listed of slices.flatMap((slice) => fromSlice(slice.spec))) {
      // While Kubernetes moves an address from one slice to another, it is in both.
      const key = `${listed.address}|${Object.entries(listed.ports).join()}`;
      if (!byAddress.has(key)) byAddress.set(key, listed);
    }
    return [...byAddress.values()];
  }
  if (endpoints === undefined) return undefined;
  return (endpoints.spec.subsets ?? []).flatMap(({ addresses, notReadyAddresses, ports }) => [
    ...(addresses ?? []).map((address) => fromAddress(address, ports ?? [], "healthy")),
    ...(notReadyAddresses ?? []).map((address) => fromAddress(address, ports ?? [], "unhealthy")),
  ]);
}

function fromSlice({ endpoints, ports }: EndpointSliceBody): readonly Listed[] {
  const named = portsByName(ports ?? []);
  return (endpoints ?? []).flatMap((endpoint) =>
    (endpoint.addresses ?? []).slice(0, 1).map((address) => ({
      address,
      ports: named,
      health: healthOf(endpoint.conditions ?? {}),
      hostname: endpoint.hostname,
      nodeName: endpoint.nodeName,
      zone: endpoint.zone,
      podName: endpoint.targetRef?.kind === "Pod" ? endpoint.targetRef.name : undefined,
    })),
  );
}

function healthOf({
  ready,
  serving,
  terminating,
}: {
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
}): EndpointHealth {
  // Kubernetes: an absent `ready` means ready.
  if (ready !== false && !terminating) return "healthy";
  if (!terminating) return "unhealthy";
  return serving ? "draining" : "terminating";
}

const fromAddress = (
  { ip = "", hostname, nodeName, targetRef }: EndpointAddress,
  ports: readonly PortBody[],
  health: EndpointHealth,
): Listed => ({
  address: ip,
  ports: portsByName(ports),
  health,
  hostname,
  nodeName,
  zone: undefined,
  podName: targetRef?.kind === "Pod" ? targetRef.name : undefined,
});

const portsByName = (ports: readonly PortBody[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    ports
      .filter(({ port }) => port !== undefined)
      .map(({ name = "", port = 0 }): [string, number] => [name, port]),
  );

function listedEndpoint(listed: Listed, service: Service, sources: EndpointSources): Endpoint {
  const pod = sources.pod(listed.podName, listed.address);
  const extra = {
    ports: listed.ports,
    ...(listed.hostname !== undefined && { hostname: listed.hostname }),
  };
  if (pod !== undefined) {
    const draining = pod.labels[drainingLabel] !== undefined;
    const health = draining ? "draining" : listed.health;
    return { ...endpointOf(pod, listed.ports), ...extra, address: listed.address, health };
  }
  const nodeLabels = listed.nodeName === undefined ? {} : sources.nodeLabels(listed.nodeName);
  const locality = localityOf({}, nodeLabels);
  return {
    address: listed.address,
    labels: {},
    locality: locality.zone === "" && listed.zone ? { ...locality, zone: listed.zone } : locality,
    weight: 0,
    health: listed.health,
    namespace: service.namespace,
    serviceAccount: "",
    network: sources.network,
    clusterId: sources.clusterId,
    workloadName: listed.podName ?? "",
    ...(listed.nodeName !== undefined && { nodeName: listed.nodeName }),
    ...extra,
  };
}

/**
 * Where a workload listens for each port of the service. A target port that is a name is looked up among the workload's own; one that
 * has no such port does not answer for it.
 */
function portsOf(workload: Workload, { ports }: Service): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { name, number, targetPort = number } of ports) {
    const own =
      workload.kind === "WorkloadEntry"
        ? (workload.ports[name] ?? workload.ports[String(number)])
        : undefined;
    const target =
      own ?? (typeof targetPort === "string" ? workload.ports[targetPort] : targetPort);
    if (target !== undefined) found[name] = target;
  }
  return found;
}
