import assert from "node:assert/strict";
import { test } from "node:test";
import { readNode } from "#model/read-node.ts";
import { viewOf } from "../../../../testkit/view-of.ts";
import {
  generateGrpcClusters,
  generateGrpcEndpoints,
  generateGrpcListeners,
  isGrpcNode,
} from "./generate.ts";
import { generateGrpcRoutes } from "./routes.ts";

const yaml = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: names}
spec:
  hosts: [names.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 7070, name: grpc, protocol: GRPC}, {number: 9, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.0.0.1, labels: {version: v1}}, {address: 10.0.0.2}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: names}
spec:
  host: names
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user}}}
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: names}
spec:
  hosts: [names]
  http:
  - fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 50}}}
    corsPolicy: {allowOrigins: [{exact: "*"}]}
    route: [{destination: {host: names, subset: v1}}]
`;

const node = {
  id: "sidecar~10.9.9.9~client.default~default.svc.cluster.local",
  metadata: { GENERATOR: "grpc" },
};
const cluster = "outbound|7070||names.default.svc.cluster.local";

test("a client may dial each name that a service has, and ports that are HTTP", () => {
  const names = generateGrpcListeners(viewOf({ yaml, node })).map(({ name }) => name);
  assert.deepEqual(names, [
    "names.default.svc.cluster.local:7070",
    "names:7070",
    "names.default.svc:7070",
    "names.default:7070",
    // It is one of the service's endpoints itself.
    "xds.istio.io/grpc/lds/inbound/0.0.0.0:7070",
    "xds.istio.io/grpc/lds/inbound/[::]:7070",
  ]);
});

test("routes are the service's, without what gRPC does not know", () => {
  const [routes] = generateGrpcRoutes(viewOf({ yaml, node }), new Set([cluster]));
  const [host] = routes?.virtualHosts ?? [];
  assert.deepEqual(host?.domains, ["*"]);
  const [route] = host?.routes ?? [];
  assert.deepEqual(Object.keys(route?.typedPerFilterConfig ?? {}), ["envoy.filters.http.fault"]);
  assert.equal(route?.route?.cluster, "outbound|7070|v1|names.default.svc.cluster.local");
});

test("what gRPC cannot do fails, instead of falling through or stopping the client", () => {
  const rules = `${yaml.slice(0, yaml.lastIndexOf("---"))}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: names}
spec:
  hosts: [names]
  http:
  - match: [{headers: {x-old: {}}}]
    redirect: {uri: /new}
  - match: [{queryParams: {a: {exact: b}}}]
    route: [{destination: {host: names, subset: v1}}]
  - timeout: 2s
    fault: {abort: {httpStatus: 500}}
    headers: {request: {set: {a: b}}}
    retries: {attempts: 1, retryOn: unavailable, perTryTimeout: 1s}
    route: [{destination: {host: names}}]
`;
  const names = new Set([cluster, "outbound|1||gone.example.com"]);
  const [known, gone] = generateGrpcRoutes(viewOf({ yaml: rules, node }), names);
  const [redirected, routed, ...more] = known?.virtualHosts?.[0]?.routes ?? [];
  assert.deepEqual(redirected?.route, { cluster: "BlackHoleCluster" });
  assert.deepEqual(routed?.route, {
    cluster,
    retryPolicy: { retryOn: "unavailable", numRetries: 1 },
    hashPolicy: [{ header: { headerName: "user" } }],
    maxStreamDuration: { maxStreamDuration: "2s" },
  });
  assert.deepEqual(more, []);
  assert.equal(gone?.virtualHosts?.[0]?.routes?.[0]?.route?.cluster, "BlackHoleCluster");
});

test("clusters have a policy that gRPC has, endpoints a weight for each locality", () => {
  const view = viewOf({ yaml, node });
  const clusters = generateGrpcClusters(view);
  assert.deepEqual(
    clusters.map(({ name, lbPolicy }) => [name, lbPolicy]),
    [
      [cluster, "RING_HASH"],
      ["outbound|7070|v1|names.default.svc.cluster.local", "RING_HASH"],
      ["outbound|9||names.default.svc.cluster.local", "RING_HASH"],
      ["outbound|9|v1|names.default.svc.cluster.local", "RING_HASH"],
      ["BlackHoleCluster", "ROUND_ROBIN"],
    ],
  );
  const [assignment] = generateGrpcEndpoints(view, new Set([cluster]));
  assert.equal(assignment?.endpoints?.[0]?.loadBalancingWeight, 2);
});

test("only nodes that say so are gRPC's", () => {
  const read = (metadata: Record<string, string>): boolean => {
    const known = readNode({ ...node, metadata });
    assert.ok("node" in known);
    return isGrpcNode(known.node);
  };
  assert.equal(read({ GENERATOR: "grpc" }), true);
  assert.equal(read({}), false);
});
