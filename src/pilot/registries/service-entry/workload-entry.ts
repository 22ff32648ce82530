import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { ConfigObject } from "#model/object.ts";
import type { Endpoint, EndpointHealth } from "#model/service.ts";
import { noLocality, parseLocality, type Workload } from "../workload.ts";

/** Says that health counts: a WorkloadEntry that nobody has found healthy yet gets no calls. */
export const healthChecksAnnotation = "proxy.istio.io/health-checks-enabled";
/** Which proxy an automatically registered WorkloadEntry stands for: addresses alone do not tell on one machine. */
export const proxyAnnotation = "heddle.dev/proxy";
const networkLabel = "topology.istio.io/network";
const clusterLabel = "topology.istio.io/cluster";
const localityLabel = "istio-locality";
const workloadNameLabel = "service.istio.io/workload-name";
/** On a workload: no new calls, but those that run may end. */
export const drainingLabel = "istio.io/draining";

export function workloadOfEntry(object: ConfigObject<WorkloadEntryJson>): Workload {
  const { metadata, spec } = object;
  const labels = { ...metadata.labels, ...spec.labels };
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    kind: "WorkloadEntry",
    address: spec.address ?? "",
    ports: spec.ports ?? {},
    labels,
    locality: parseLocality(spec.locality || labels[localityLabel]),
    weight: spec.weight ?? 0,
    health: healthOf(object),
    serviceAccount: spec.serviceAccount ?? "",
    network: spec.network || (labels[networkLabel] ?? ""),
    clusterId: labels[clusterLabel] ?? "",
    nodeName: undefined,
    proxyId: metadata.annotations[proxyAnnotation],
  };
}

interface Condition {
  readonly type?: unknown;
  readonly status?: unknown;
}

function healthOf({ metadata, spec, status }: ConfigObject<WorkloadEntryJson>): EndpointHealth {
  const labels = { ...metadata.labels, ...spec.labels };
  if (labels[drainingLabel] !== undefined) return "draining";
  const checked = metadata.annotations[healthChecksAnnotation] === "true";
  const healthy = conditionsOf(status).find(({ type }) => type === "Healthy");
  if (healthy === undefined) return checked ? "unhealthy" : "healthy";
  return healthy.status === "True" ? "healthy" : "unhealthy";
}

function conditionsOf(status: unknown): readonly Condition[] {
  if (typeof status !== "object" || status === null || !("conditions" in status)) return [];
  return Array.isArray(status.conditions)
    ? status.conditions.filter((entry) => typeof entry === "object" && entry !== null)
    : [];
}

/** An endpoint that a ServiceEntry lists by itself. */
export function inlineWorkload(entry: WorkloadEntryJson, namespace: string): Workload {
  const labels = entry.labels ?? {};
  return {
    name: labels[workloadNameLabel] ?? "",
    namespace,
    kind: "WorkloadEntry",
    address: entry.address ?? "",
    ports: entry.ports ?? {},
    labels,
    locality: entry.locality ? parseLocality(entry.locality) : localityOfLabels(labels),
    weight: entry.weight ?? 0,
    health: labels[drainingLabel] === undefined ? "healthy" : "draining",
    serviceAccount: entry.serviceAccount ?? "",
    network: entry.network || (labels[networkLabel] ?? ""),
    clusterId: labels[clusterLabel] ?? "",
    nodeName: undefined,
    proxyId: undefined,
  };
}

const localityOfLabels = (labels: Readonly<Record<string, string>>): Endpoint["locality"] =>
  labels[localityLabel] ? parseLocality(labels[localityLabel]) : noLocality;

/** A workload as an endpoint of a service with these ports. */
export function endpointOf(workload: Workload, ports: Readonly<Record<string, number>>): Endpoint {
  const { labels } = workload;
  return {
    address: workload.address,
    ports,
    labels,
    locality: workload.locality,
    weight: workload.weight,
    health: workload.health,
    namespace: workload.namespace,
    serviceAccount: workload.serviceAccount,
    network: workload.network,
    clusterId: workload.clusterId,
    workloadName: labels[workloadNameLabel] ?? workload.name,
    ...(workload.nodeName !== undefined && { nodeName: workload.nodeName }),
    ...(workload.proxyId !== undefined && { proxyId: workload.proxyId }),
  };
}
