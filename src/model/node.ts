import type { Locality } from "./service.ts";

export type NodeType = "sidecar" | "router" | "waypoint";

/**
 * A proxy as it names itself on an xDS stream: `type~ip~name.namespace~domain` and its metadata, which wins over the id
 * (reference: Istio's node metadata, JSON names).
 */
export interface ProxyNode {
  /** The whole node id. */
  readonly id: string;
  readonly type: NodeType;
  /** First its own in the id, then `INSTANCE_IPS`. */
  readonly ipAddresses: readonly string[];
  /** `name.namespace` of the id. */
  readonly name: string;
  readonly namespace: string;
  /** `ns.svc.cluster.local` */
  readonly dnsDomain: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: Locality;
  readonly clusterId: string;
  readonly network: string;
  readonly serviceAccount: string;
  readonly workloadName: string;
  /** Undefined: not Istio's numbering, all features. */
  readonly istioVersion: string | undefined;
  readonly interceptionMode: "REDIRECT" | "TPROXY" | "NONE";
  readonly dnsCapture: boolean;
  /** All of it, for whoever needs what has no field here. */
  readonly metadata: Readonly<Record<string, unknown>>;
}
