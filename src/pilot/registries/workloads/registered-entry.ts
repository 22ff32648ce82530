import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import type { WorkloadGroupJson } from "#gen/istio/networking/v1alpha3/workload_group_pb.js";
import { type InboundPort, localPortsOf } from "#model/local-ports.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import type { Locality } from "#model/service.ts";
import {
  drainingLabel,
  healthChecksAnnotation,
  proxyAnnotation,
} from "../service-entry/workload-entry.ts";

export type WorkloadGroup = ConfigObject<WorkloadGroupJson>;

/** What is known of a workload's life. */
export interface WorkloadStatus {
  readonly connectedMs: number;
  /** Undefined: its proxy is connected. */
  readonly disconnectedMs: number | undefined;
  /** Undefined: the agent has said nothing of it. */
  readonly health: WorkloadHealth | undefined;
  /** It is about to go: nothing new for it. */
  readonly draining: boolean;
}

export interface WorkloadHealth {
  readonly healthy: boolean;
  readonly message: string;
  readonly sinceMs: number;
}

/** `AUTO_REGISTER_GROUP`; undefined: the proxy does not want to be registered. */
export function groupNameOf({ metadata }: ProxyNode): string | undefined {
  const group = metadata["AUTO_REGISTER_GROUP"];
  return typeof group === "string" && group !== "" ? group : undefined;
}

const nameLengthMax = 253;

/**
 * `<group>-<address>[-<network>]`, as Istio names it. On a host that many share (node metadata with ports of its own) addresses do not tell
 * workloads apart: there it is `<group>-<name of the proxy>`, or the name alone when it begins with the group's.
 */
export function entryName(group: string, node: ProxyNode): string {
  const parts =
    localPortsOf(node.metadata) === undefined ? byAddress(group, node) : byProxy(group, node);
  const name = parts.filter((part) => part !== "").join("-");
  return name
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .slice(0, nameLengthMax);
}

const byAddress = (group: string, { ipAddresses, network }: ProxyNode): readonly string[] => [
  group,
  ipAddresses[0] ?? "",
  network,
];

function byProxy(group: string, { name, namespace }: ProxyNode): readonly string[] {
  const suffix = `.${namespace}`;
  const own = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
  return own.startsWith(`${group}-`) ? [own] : [group, own];
}

export interface EntryOptions {
  readonly name: string;
  readonly node: ProxyNode;
  readonly group: WorkloadGroup;
  readonly status: WorkloadStatus;
  /** Which Pilot it is connected to. */
  readonly controller: string;
}

/** The WorkloadEntry of a connected proxy: what its node says goes before the group's metadata, and that before its template. */
export function entryOf({
  name,
  node,
  group,
  status,
  controller,
}: EntryOptions): ConfigObject<WorkloadEntryJson> {
  const { template = {}, metadata = {} } = group.spec;
  const inbound = localPortsOf(node.metadata)?.inbound ?? [];
  const locality = localityText(node.locality) || template.locality;
  const network = node.network || template.network;
  const labels = {
    ...template.labels,
    ...metadata.labels,
    ...node.labels,
    ...(status.draining && { [drainingLabel]: "true" }),
  };
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "WorkloadEntry",
    metadata: {
      name,
      namespace: group.metadata.namespace,
      labels,
      annotations: {
        ...metadata.annotations,
        ...annotationsOf(node, { group, status, controller }),
      },
      creationMs: status.connectedMs,
      resourceVersion: "",
    },
    spec: {
      ...template,
      address: inbound[0]?.bind ?? node.ipAddresses[0] ?? "",
      labels,
      ...portsOf(template, inbound),
      ...(locality && { locality }),
      ...(network && { network }),
      serviceAccount: template.serviceAccount || node.serviceAccount || "default",
    },
    ...(status.health && { status: { conditions: [healthCondition(status.health)] } }),
  };
}

function annotationsOf(
  node: ProxyNode,
  { group, status, controller }: Pick<EntryOptions, "group" | "status" | "controller">,
): Readonly<Record<string, string>> {
  const { connectedMs, disconnectedMs } = status;
  return {
    [proxyAnnotation]: node.id,
    "istio.io/autoRegistrationGroup": group.metadata.name,
    "istio.io/workloadController": controller,
    "istio.io/connectedAt": timeText(connectedMs),
    ...(disconnectedMs !== undefined && { "istio.io/disconnectedAt": timeText(disconnectedMs) }),
    ...(isProbed(node) && { [healthChecksAnnotation]: "true" }),
  };
}

/** Its agent looks whether the program is well, and says so: before that it gets no calls. */
function isProbed({ metadata }: ProxyNode): boolean {
  const config = metadata["PROXY_CONFIG"];
  return typeof config === "object" && config !== null && "readinessProbe" in config;
}

/** Under the port's name in the template when that has the number, else under the number itself (the service's port). */
function portsOf(
  template: WorkloadEntryJson,
  inbound: readonly InboundPort[],
): Pick<WorkloadEntryJson, "ports"> {
  if (inbound.length === 0) return template.ports ? { ports: template.ports } : {};
  const named = Object.entries(template.ports ?? {});
  const ports = inbound.map(({ servicePort, port }): [string, number] => {
    const name = named.find(([, number]) => number === servicePort)?.[0];
    return [name ?? String(servicePort), port];
  });
  return { ports: Object.fromEntries(ports) };
}

const localityText = ({ region, zone, subZone }: Locality): string =>
  [region, zone, subZone].join("/").replace(/\/+$/, "");

const healthCondition = ({ healthy, message, sinceMs }: WorkloadHealth): object => ({
  type: "Healthy",
  status: healthy ? "True" : "False",
  lastTransitionTime: timeText(sinceMs),
  ...(message !== "" && { message }),
});

const timeText = (wallMs: number): string => new Date(wallMs).toISOString();

/** The reverse of what an entry's status holds. */
export function savedHealth(status: unknown): WorkloadHealth | undefined {
  if (typeof status !== "object" || status === null || !("conditions" in status)) return undefined;
  const conditions: readonly unknown[] = Array.isArray(status.conditions) ? status.conditions : [];
  // Written by `healthCondition`, and by nothing else.
  const [condition] = conditions as readonly { status: string; lastTransitionTime: string }[];
  if (condition === undefined) return undefined;
  const sinceMs = Date.parse(condition.lastTransitionTime);
  return { healthy: condition.status === "True", message: "", sinceMs };
}
