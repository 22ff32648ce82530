/** Calls that nobody makes, through what Pilot generates: objects in, what matched out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { withMeshDefaults } from "#model/mesh-config.ts";
import type { ProxyNode } from "#model/node.ts";
import { generateXds } from "#pilot/generate.ts";
import { Simulation } from "#proxy/simulate.ts";
import { readCall } from "../../src/cli/offline/call-file.ts";
import { type ExplainedCall, explained } from "../../src/cli/offline/explained.ts";
import { viewOf } from "../../testkit/view-of.ts";

export interface Expectation {
  /** As in the file of `heddle explain --call`. */
  readonly call: Readonly<Record<string, unknown>>;
  readonly result: Partial<ExplainedCall>;
}

export interface CallsCase {
  readonly name: string;
  readonly yaml: string;
  readonly node?: Partial<ProxyNode>;
  readonly mesh?: MeshConfigJson;
  readonly calls: readonly Expectation[];
}

/** The sidecar is at 1.1.1.1 in `default`, unless the case says otherwise. */
export function callsTest({ name, yaml, node, mesh, calls }: CallsCase): void {
  test(name, () => {
    const view = viewOf({
      yaml,
      node: { ipAddresses: ["1.1.1.1"], ...node },
      meshConfig: withMeshDefaults(mesh ?? {}),
    });
    const simulation = new Simulation(generateXds(view));
    for (const { call, result } of calls) {
      const read = readCall(call, "call");
      assert.ok("call" in read, JSON.stringify(read));
      const actual = new Map(Object.entries(explained(simulation.run(read.call))));
      const compared = Object.keys(result).map((key) => [key, actual.get(key)]);
      assert.deepEqual(Object.fromEntries(compared), result, JSON.stringify(call));
    }
  });
}

export const gatewayNode: Partial<ProxyNode> = {
  type: "router",
  namespace: "istio-system",
  labels: { istio: "ingressgateway" },
};
