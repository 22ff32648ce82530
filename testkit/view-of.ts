/** Views for tests of what is generated from them: YAML in, a ProxyView out. */
import assert from "node:assert/strict";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { printObjectProblem, readObjects } from "#model/documents.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import { meshState } from "#pilot/state/mesh-state.ts";
import type { ProxyView } from "#pilot/view.ts";
import { proxyView } from "#pilot/views.ts";

export interface ViewInput {
  /** Documents of Istio's and Kubernetes' kinds. Those without creationTimestamp are as old as they stand: the first is the oldest. */
  readonly yaml: string;
  readonly node?: Partial<ProxyNode>;
  readonly meshConfig?: MeshConfigJson;
}

export function viewOf({ yaml, node, meshConfig }: ViewInput): ProxyView {
  return proxyView(meshState({ objects: objectsOf(yaml), meshConfig }), nodeOf(node));
}

/** A sidecar of `default` at 10.0.0.1, with what the test says. */
export function nodeOf(node: Partial<ProxyNode> = {}): ProxyNode {
  const type = node.type ?? "sidecar";
  const namespace = node.namespace ?? "default";
  const ipAddresses = node.ipAddresses ?? ["10.0.0.1"];
  return {
    id: `${type}~${ipAddresses[0]}~app.${namespace}~${namespace}.svc.cluster.local`,
    type,
    ipAddresses,
    name: `app.${namespace}`,
    namespace,
    dnsDomain: `${namespace}.svc.cluster.local`,
    labels: {},
    locality: { region: "", zone: "", subZone: "" },
    clusterId: "Kubernetes",
    network: "",
    serviceAccount: "default",
    workloadName: "app",
    istioVersion: undefined,
    interceptionMode: "REDIRECT",
    dnsCapture: false,
    metadata: {},
    ...node,
  };
}

/** Fails on a problem in an object, which would be a mistake in the test. */
export function objectsOf(yaml: string): readonly ConfigObject[] {
  const { objects, problems } = readObjects("test.yaml", yaml, { validate: false });
  assert.deepEqual(problems.map(printObjectProblem), []);
  return objects.map((object, index) => ({
    ...object,
    metadata: { ...object.metadata, creationMs: object.metadata.creationMs || index },
  }));
}
