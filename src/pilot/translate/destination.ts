/** Names of clusters: what a route, a TCP proxy and CDS agree on. */
import type { DestinationJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Service } from "#model/service.ts";

/** Where a caller was going, whoever it was. */
export const passthroughCluster = "PassthroughCluster";
/** Has no endpoints. */
export const blackHoleCluster = "BlackHoleCluster";
/** Resolves the host that an HTTP request names (`ALLOW_ANY_DYNAMIC_DNS`). */
export const dynamicDnsCluster = "AllowAnyDynamicDNSCluster";

/** `outbound|9080|v1|reviews.default.svc.cluster.local` */
export function outboundCluster({
  hostname,
  port,
  subset = "",
}: {
  readonly hostname: string;
  readonly port: number;
  readonly subset?: string | undefined;
}): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

/** `inbound|9080||`: the port is where the workload listens. */
export function inboundCluster(targetPort: number): string {
  return `inbound|${targetPort}||`;
}

/** What the routes of a VirtualService need to know of services. */
export interface DestinationContext {
  service(hostname: string): Service | undefined;
  /** The port that the client called; 0 if there is none (an egress proxy). */
  readonly listenerPort: number;
}

/**
 * The cluster of a rule's destination (`host` fully qualified). A destination without a port is the service's only one, or else the port
 * that was called. It may well not exist: calls of an unknown host or subset are answered 503 with flag NC.
 */
export function destinationCluster(
  { host = "", subset, port }: DestinationJson,
  { service, listenerPort }: DestinationContext,
): string {
  const found = service(host);
  const only = found?.ports.length === 1 ? found.ports[0]?.number : undefined;
  return outboundCluster({
    hostname: found?.externalName ?? host,
    port: port?.number ?? only ?? listenerPort,
    subset,
  });
}
