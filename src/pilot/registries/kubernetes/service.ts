import type { ConfigObject } from "#model/object.ts";
import { kubernetesProtocol } from "#model/protocol.ts";
import type { Resolution, Service } from "#model/service.ts";
import type { ServiceSpec } from "./objects.ts";

export type KubernetesService = ConfigObject<ServiceSpec>;

/** How Istio names this registry. */
export const kubernetesRegistry = "Kubernetes";

const exportToAnnotation = "networking.istio.io/exportTo";

/** Istio's, which goes before Kubernetes' field of the same meaning. */
export const trafficDistributionAnnotation = "networking.istio.io/traffic-distribution";

export interface ServiceContext {
  readonly domain: string;
  readonly defaultExportTo: readonly string[];
}

export function serviceOf(
  object: KubernetesService,
  { domain, defaultExportTo }: ServiceContext,
): Service {
  const { metadata, spec } = object;
  const headless = spec.clusterIP === "None";
  const { externalName } = spec;
  const isAlias = spec.type === "ExternalName";
  return {
    hostname: `${metadata.name}.${metadata.namespace}.svc.${domain}`.toLowerCase(),
    namespace: metadata.namespace,
    name: metadata.name,
    ports: (spec.ports ?? []).map(({ name = "", port = 0, targetPort, appProtocol, protocol }) => ({
      name,
      number: port,
      protocol: kubernetesProtocol({ name, number: port, appProtocol, transport: protocol }),
      ...(targetPort !== undefined && { targetPort }),
    })),
    addresses: isAlias ? [] : addressesOf(spec),
    resolution: resolutionOf({ headless, isAlias }),
    meshExternal: isAlias,
    headless,
    exportTo: exportToOf(metadata.annotations[exportToAnnotation]) ?? defaultExportTo,
    labels: metadata.labels,
    annotations: {
      ...(spec.trafficDistribution && {
        [trafficDistributionAnnotation]: spec.trafficDistribution,
      }),
      ...metadata.annotations,
    },
    ...(spec.selector && { selector: spec.selector }),
    subjectAltNames: [],
    serviceAccounts: [],
    creationMs: metadata.creationMs,
    registry: kubernetesRegistry,
    ...(isAlias && externalName && { externalName: externalName.toLowerCase() }),
    object,
  };
}

function resolutionOf({
  headless,
  isAlias,
}: {
  readonly headless: boolean;
  readonly isAlias: boolean;
}): Resolution {
  if (isAlias) return "alias";
  return headless ? "passthrough" : "static";
}

function addressesOf({ clusterIP, clusterIPs }: ServiceSpec): readonly string[] {
  const addresses = clusterIPs?.length ? clusterIPs : clusterIP ? [clusterIP] : [];
  return addresses.filter((address) => address !== "" && address !== "None");
}

function exportToOf(annotation: string | undefined): readonly string[] | undefined {
  const targets = annotation
    ?.split(",")
    .map((target) => target.trim())
    .filter((target) => target !== "");
  return targets?.length ? targets : undefined;
}
