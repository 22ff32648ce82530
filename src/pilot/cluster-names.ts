/** Names of clusters, beyond those that routes need (destination.ts). */
import { outboundCluster } from "./translate/destination.ts";

/** The workload's own ports that no service names. */
export const inboundPassthroughCluster = "InboundPassthroughCluster";

/** A destination as its cluster's name says it. */
export interface OutboundDestination {
  readonly hostname: string;
  readonly port: number;
  /** Empty: all of the service's endpoints. */
  readonly subset: string;
}

/** What form the name has: `sni` is the one that TLS can carry, for gateways that pass mTLS through. */
export type ClusterForm = "plain" | "sni";

/** `outbound|9080|v1|reviews.default.svc.cluster.local`, `outbound_.9080_.v1_.reviews.default.svc.cluster.local` */
export function clusterNameOf(destination: OutboundDestination, form: ClusterForm): string {
  const { hostname, port, subset } = destination;
  return form === "plain"
    ? outboundCluster(destination)
    : `outbound_.${port}_.${subset}_.${hostname}`;
}

const forms: readonly (readonly [ClusterForm, RegExp])[] = [
  ["plain", /^outbound\|(\d+)\|([^|]*)\|(.+)$/],
  ["sni", /^outbound_\.(\d+)_\.(.*?)_\.(.+)$/],
];

/** Undefined: not the name of a cluster towards a service. */
export function parseClusterName(
  name: string,
): (OutboundDestination & { readonly form: ClusterForm }) | undefined {
  for (const [form, pattern] of forms) {
    const [, port, subset, hostname] = pattern.exec(name) ?? [];
    if (port === undefined || subset === undefined || hostname === undefined) continue;
    return { hostname, port: Number(port), subset, form };
  }
  return undefined;
}
