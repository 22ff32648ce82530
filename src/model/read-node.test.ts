import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProxyNode } from "./node.ts";
import { type NodeMessage, readNode } from "./read-node.ts";

const id = "sidecar~10.0.0.1~reviews-v1.shop~shop.svc.cluster.local";

function nodeOf(message: NodeMessage): ProxyNode {
  const read = readNode(message);
  assert.ok("node" in read, JSON.stringify(read));
  return read.node;
}

function problemsOf(message: NodeMessage): readonly string[] {
  const read = readNode(message);
  return "problems" in read ? read.problems : [];
}

test("the id alone says type, address, name, namespace and domain", () => {
  const node = nodeOf({ id });
  assert.deepEqual(
    [node.type, node.ipAddresses, node.name, node.namespace, node.dnsDomain],
    ["sidecar", ["10.0.0.1"], "reviews-v1.shop", "shop", "shop.svc.cluster.local"],
  );
  assert.deepEqual([node.interceptionMode, node.dnsCapture], ["REDIRECT", false]);
  assert.equal(nodeOf({ id: id.replace("sidecar", "router") }).type, "router");
});

test("a name without a namespace has the domain's", () => {
  assert.equal(nodeOf({ id: "sidecar~::1~a~shop.svc.cluster.local" }).namespace, "shop");
});

test("the metadata wins over the id, and says the rest", () => {
  const node = nodeOf({
    id,
    metadata: {
      NAMESPACE: "other",
      LABELS: { app: "reviews", "topology.istio.io/network": "n1" },
      INSTANCE_IPS: "10.0.0.1,2001:db8::1",
      CLUSTER_ID: "c1",
      SERVICE_ACCOUNT: "sa",
      WORKLOAD_NAME: "reviews-v1",
      ISTIO_VERSION: "1.31.0",
      INTERCEPTION_MODE: "NONE",
      DNS_CAPTURE: "true",
      MORE: { a: 1 },
    },
    locality: { region: "eu", zone: "eu-1" },
  });
  assert.deepEqual(node.ipAddresses, ["10.0.0.1", "2001:db8::1"]);
  assert.deepEqual(
    [node.namespace, node.network, node.clusterId, node.serviceAccount, node.workloadName],
    ["other", "n1", "c1", "sa", "reviews-v1"],
  );
  assert.deepEqual(
    [node.istioVersion, node.interceptionMode, node.dnsCapture],
    ["1.31.0", "NONE", true],
  );
  assert.deepEqual(node.locality, { region: "eu", zone: "eu-1", subZone: "" });
  assert.deepEqual(node.metadata["MORE"], { a: 1 });
});

test("a label says the locality, with dots where a label has no slash", () => {
  const metadata = { LABELS: { "istio-locality": "us.us-1.a" } };
  const node = nodeOf({ id, metadata, locality: { region: "eu" } });
  assert.deepEqual(node.locality, { region: "us", zone: "us-1", subZone: "a" });
});

test("every problem is named", () => {
  assert.match(
    problemsOf({ id: "" })[0] ?? "",
    /^node id "" must be type~ip~name\.namespace~domain/,
  );
  assert.match(problemsOf({ id: "a~b~c" })[0] ?? "", /must be type~ip/);
  assert.deepEqual(problemsOf({ id: "ztunnel~x~a~" }), [
    'node id "ztunnel~x~a~": "ztunnel" is no type of proxy that Pilot serves: sidecar, router, waypoint',
    'node id "ztunnel~x~a~": "x" is not an IP address',
    'node id "ztunnel~x~a~" names no namespace, and neither does metadata NAMESPACE',
  ]);
  assert.deepEqual(problemsOf({ id: "sidecar~~a.b~c" }), [
    'node id "sidecar~~a.b~c" has no IP address, and neither has metadata INSTANCE_IPS',
  ]);
  assert.deepEqual(
    problemsOf({
      id,
      metadata: {
        LABELS: { a: 1 },
        INSTANCE_IPS: 5,
        DNS_CAPTURE: "maybe",
        INTERCEPTION_MODE: "X",
        CLUSTER_ID: {},
      },
    }),
    [
      "node metadata INSTANCE_IPS must be a list of strings or a string with commas, not 5",
      'node metadata LABELS must be a map of strings, not {"a":1}',
      "node metadata CLUSTER_ID must be a string, not {}",
      'node metadata INTERCEPTION_MODE must be one of REDIRECT, TPROXY, NONE, not "X"',
      'node metadata DNS_CAPTURE must be true or false, not "maybe"',
    ],
  );
});
