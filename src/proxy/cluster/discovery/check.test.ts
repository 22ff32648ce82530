import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { checkDiscovery } from "./check.ts";

const at = (address: string): NonNullable<ClusterJson["loadAssignment"]> => ({
  endpoints: [
    { lbEndpoints: [{ endpoint: { address: { socketAddress: { address, portValue: 80 } } } }] },
  ],
});
const file = (path: string): ClusterJson => ({
  type: "EDS",
  edsClusterConfig: { edsConfig: { pathConfigSource: { path } } },
});

test("good clusters pass", () => {
  checkDiscovery({});
  checkDiscovery({ type: "STATIC", loadAssignment: at("10.0.0.1") });
  checkDiscovery({ type: "STRICT_DNS", loadAssignment: at("a.test") });
  checkDiscovery({ type: "LOGICAL_DNS", loadAssignment: at("a.test") });
  checkDiscovery({ type: "ORIGINAL_DST" });
  checkDiscovery(file(import.meta.filename));
});

for (const [name, config, reason] of [
  ["a static name", { loadAssignment: at("a.test") }, /malformed IP address: a\.test/],
  ["LOGICAL_DNS without an endpoint", { type: "LOGICAL_DNS" }, /single lb_endpoint/],
  [
    "ORIGINAL_DST with endpoints",
    { type: "ORIGINAL_DST", loadAssignment: at("10.0.0.1") },
    /no load assignment/,
  ],
  ["a file that is not there", file("/not/there"), /'\/not\/there' does not exist/],
  ["EDS without a file", { type: "EDS" }, /eds_config: value is required/],
  ["an unknown cluster_type", { clusterType: { name: "x" } }, /"x" is not supported/],
  [
    "a failure rate above its maximum",
    {
      type: "STRICT_DNS",
      dnsFailureRefreshRate: { baseInterval: "2s", maxInterval: "1s" },
    },
    /base_interval less than or equal/,
  ],
] as const satisfies readonly (readonly [string, ClusterJson, RegExp])[]) {
  test(`${name} is refused`, () => assert.throws(() => checkDiscovery(config), reason));
}
