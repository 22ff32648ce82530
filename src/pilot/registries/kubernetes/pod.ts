import type { ConfigObject } from "#model/object.ts";
import type { EndpointHealth, Locality } from "#model/service.ts";
import { drainingLabel } from "../service-entry/workload-entry.ts";
import { noLocality, parseLocality, type Workload } from "../workload.ts";
import type { PodSpec, PodStatus } from "./objects.ts";

export type Pod = ConfigObject<PodSpec>;

/** What a Pod's place depends on. */
export interface PodContext {
  /** Labels of the Node it runs on; empty when it is not known. */
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  readonly clusterId: string;
}

/** Undefined: it has no address (yet), or has ended. */
export function workloadOfPod(pod: Pod, context: PodContext): Workload | undefined {
  const { metadata, spec } = pod;
  const status = statusOf(pod);
  const address = status.podIP || status.podIPs?.[0]?.ip || "";
  if (address === "" || status.phase === "Failed" || status.phase === "Succeeded") return undefined;
  const { labels } = metadata;
  return {
    name: metadata.name,
    namespace: metadata.namespace,
    kind: "Pod",
    address,
    ports: portsOf(spec),
    labels,
    locality: localityOf(labels, context.nodeLabels),
    weight: 0,
    health: healthOf(labels, status),
    serviceAccount: spec.serviceAccountName || "default",
    network: networkOf(labels, context),
    clusterId: labels["topology.istio.io/cluster"] || context.clusterId,
    nodeName: spec.nodeName,
    proxyId: undefined,
  };
}

export const networkOf = (
  labels: Readonly<Record<string, string>>,
  { namespaceLabels }: Pick<PodContext, "namespaceLabels">,
): string =>
  labels["topology.istio.io/network"] || namespaceLabels["topology.istio.io/network"] || "";

/** The label that says so, or where the Node stands. */
export function localityOf(
  labels: Readonly<Record<string, string>>,
  nodeLabels: Readonly<Record<string, string>>,
): Locality {
  const own = labels["istio-locality"] || labels["topology.istio.io/locality"];
  if (own) return parseLocality(own);
  const region =
    nodeLabels["topology.kubernetes.io/region"] ||
    nodeLabels["failure-domain.beta.kubernetes.io/region"] ||
    "";
  const zone =
    nodeLabels["topology.kubernetes.io/zone"] ||
    nodeLabels["failure-domain.beta.kubernetes.io/zone"] ||
    "";
  const subZone = nodeLabels["topology.istio.io/subzone"] || "";
  return region || zone || subZone ? { region, zone, subZone } : noLocality;
}

/** By the name of the container's port. */
function portsOf(spec: PodSpec): Readonly<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const { ports: list } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    for (const { name, containerPort } of list ?? []) {
      if (name && containerPort) ports[name] ??= containerPort;
    }
  }
  return ports;
}

function healthOf(labels: Readonly<Record<string, string>>, status: PodStatus): EndpointHealth {
  if (labels[drainingLabel] !== undefined) return "draining";
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True" ? "healthy" : "unhealthy";
}

function statusOf({ status }: Pod): PodStatus {
  // A Pod's status has passed the reader of its kind, or comes from nowhere.
  return typeof status === "object" && status !== null ? (status as PodStatus) : {};
}
