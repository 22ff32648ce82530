import type { JsonObject } from "@bufbuild/protobuf";
import type { LocalPorts } from "#model/local-ports.ts";

/** A program of the mesh, or a gateway, as its proxy names it to Pilot. */
export interface Workload {
  readonly type: "sidecar" | "router";
  /** This very process among its like: `reviews-v2-1`, a pod's name in Kubernetes. */
  readonly name: string;
  readonly namespace: string;
  /** What it is one of: `reviews-v2`, a Deployment's name in Kubernetes. */
  readonly workloadName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly address: string;
  /** Of service names: `cluster.local`. */
  readonly domain: string;
  /** `CLUSTER_ID`, `MESH_ID` and others of Istio's node metadata, over what is here. */
  readonly metadata: JsonObject;
  /** The WorkloadGroup that Pilot makes a WorkloadEntry from while the proxy is connected. */
  readonly group?: string | undefined;
  /** Ports of its own on a host that it shares; undefined: connections are intercepted, as in a pod. */
  readonly ports?: Pick<LocalPorts, "inbound" | "outbound" | "httpProxy"> | undefined;
}

export function nodeId(workload: Workload): string {
  const { type, address, name, namespace, domain } = workload;
  return `${type}~${address}~${name}.${namespace}~${namespace}.svc.${domain}`;
}

/** Istio's node metadata; names as in docs/reference/node-metadata.md. */
export function nodeMetadata(workload: Workload): JsonObject {
  const { ports, group, labels } = workload;
  return {
    NAME: workload.name,
    NAMESPACE: workload.namespace,
    LABELS: { ...labels },
    WORKLOAD_NAME: workload.workloadName,
    SERVICE_ACCOUNT: workload.serviceAccount,
    INSTANCE_IPS: workload.address,
    CLUSTER_ID: "Kubernetes",
    MESH_ID: workload.domain,
    ...(group === undefined ? {} : { AUTO_REGISTER_GROUP: group }),
    ...(ports === undefined ? { INTERCEPTION_MODE: "REDIRECT" } : localMetadata(ports)),
    ...workload.metadata,
  };
}

function localMetadata(ports: NonNullable<Workload["ports"]>): JsonObject {
  const { inbound, outbound, httpProxy } = ports;
  return {
    INTERCEPTION_MODE: "NONE",
    ...(inbound.length === 0 ? {} : { HEDDLE_INBOUND: inbound.map((port) => ({ ...port })) }),
    ...(outbound.length === 0 ? {} : { HEDDLE_OUTBOUND: outbound.map((port) => ({ ...port })) }),
    ...(httpProxy === undefined ? {} : { HEDDLE_HTTP_PROXY: { ...httpProxy } }),
  };
}
