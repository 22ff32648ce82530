import type { Service, ServicePort } from "#model/service.ts";

/** Istio's end of a statistics prefix, by which tag extraction knows it from the dots inside of a host name. */
export function delimitedStatName(prefix: string): string {
  return `${prefix};`;
}

/** What `MeshConfig.inboundClusterStatName` and `outboundClusterStatName` may say. */
export interface StatNameValues {
  readonly service: Service;
  readonly port: ServicePort;
  readonly subset: string;
  /** Where the workload listens; 0 towards others. */
  readonly targetPort: number;
}

/** `%SERVICE_FQDN%_%SERVICE_PORT%` → `reviews.default.svc.cluster.local_9080` */
export function statNameOf(
  pattern: string,
  { service, port, subset, targetPort }: StatNameValues,
): string {
  const short =
    service.registry === "Kubernetes" ? `${service.name}.${service.namespace}` : service.hostname;
  const values: Readonly<Record<string, string>> = {
    SERVICE: short,
    SERVICE_FQDN: service.hostname,
    SUBSET_NAME: subset,
    TARGET_PORT: String(targetPort),
    SERVICE_PORT: String(port.number),
    SERVICE_PORT_NAME: port.name,
  };
  return pattern.replace(/%([A-Z_]+)%/g, (text, name: string) => values[name] ?? text);
}
