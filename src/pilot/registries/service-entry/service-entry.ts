import type {
  ServiceEntryJson,
  ServicePortJson,
} from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import { isWildcard } from "#model/hostname.ts";
import type { ConfigObject } from "#model/object.ts";
import { protocolOf } from "#model/protocol.ts";
import type { Endpoint, Resolution, Service, ServicePort } from "#model/service.ts";
import type { Workload } from "../workload.ts";
import { endpointOf, inlineWorkload } from "./workload-entry.ts";

export type ServiceEntry = ConfigObject<ServiceEntryJson>;

/** How Istio names the registry of ServiceEntries. */
export const externalRegistry = "External";

const autoAllocateLabel = "networking.istio.io/enable-autoallocate-ip";

const resolutions: Readonly<Record<NonNullable<ServiceEntryJson["resolution"]>, Resolution>> = {
  NONE: "passthrough",
  STATIC: "static",
  DNS: "dns",
  DNS_ROUND_ROBIN: "dns-round-robin",
  DYNAMIC_DNS: "dynamic-dns",
};

/** One service for each host. */
export function servicesOfEntry(
  object: ServiceEntry,
  defaultExportTo: readonly string[],
): readonly Service[] {
  const { metadata, spec } = object;
  const common = {
    namespace: metadata.namespace,
    ports: (spec.ports ?? []).map(portOf),
    addresses: spec.addresses ?? [],
    resolution: resolutions[spec.resolution ?? "NONE"],
    meshExternal: spec.location !== "MESH_INTERNAL",
    headless: false,
    exportTo: spec.exportTo?.length ? spec.exportTo : defaultExportTo,
    labels: metadata.labels,
    annotations: metadata.annotations,
    ...(spec.workloadSelector && { selector: spec.workloadSelector.labels ?? {} }),
    subjectAltNames: spec.subjectAltNames ?? [],
    serviceAccounts: [],
    creationMs: metadata.creationMs,
    registry: externalRegistry,
    object,
  };
  return (spec.hosts ?? []).map((host) => {
    const hostname = host.toLowerCase();
    return { hostname, name: hostname, ...common };
  });
}

const portOf = (port: ServicePortJson): ServicePort => ({
  name: port.name ?? "",
  number: port.number ?? 0,
  protocol: protocolOf(port.protocol),
  ...(port.targetPort && { targetPort: port.targetPort }),
});

/** Whether the service is to be given an address: it has none, and its name can be looked up by callers. */
export function wantsAutoAddress(service: Service): boolean {
  const wish = service.labels[autoAllocateLabel];
  if (wish === "false" || service.addresses.length > 0 || isWildcard(service.hostname))
    return false;
  return service.resolution !== "passthrough" && service.resolution !== "dynamic-dns";
}

/**
 * The endpoints of one of the entry's services: those it lists, or the workloads of its namespace that it selects, or, with DNS and
 * neither, the host itself.
 */
export function endpointsOfEntry(
  { metadata, spec }: ServiceEntry,
  service: Service,
  selected: readonly Workload[],
): readonly Endpoint[] {
  const ports = spec.ports ?? [];
  const { namespace } = metadata;
  if (spec.workloadSelector !== undefined) {
    return selected
      .filter(({ address }) => address !== "")
      .map((workload) => endpointOf(workload, portsOf(workload, ports)));
  }
  const listed = (spec.endpoints ?? []).map((entry) => inlineWorkload(entry, namespace));
  if (listed.length > 0) {
    return listed.map((workload) => endpointOf(workload, portsOf(workload, ports)));
  }
  const byName = service.resolution === "dns" || service.resolution === "dns-round-robin";
  if (!byName || isWildcard(service.hostname)) return [];
  const host = inlineWorkload({ address: service.hostname }, namespace);
  return [endpointOf(host, portsOf(host, ports))];
}

/** What the endpoint says for the port's name (or number: registered by its own sidecar), else the entry's target port, else its number. A Pod's own port names are its own. */
function portsOf(
  workload: Workload,
  ports: readonly ServicePortJson[],
): Readonly<Record<string, number>> {
  if (workload.address.startsWith("unix://")) {
    return Object.fromEntries(ports.map(({ name }) => [name ?? "", 0]));
  }
  const own = workload.kind === "WorkloadEntry" ? workload.ports : {};
  return Object.fromEntries(
    ports.map(({ name = "", number = 0, targetPort }) => [
      name,
      own[name] ?? own[number] ?? (targetPort || number),
    ]),
  );
}
