import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DeltaClient, refusal } from "../../../testkit/xds/stream-clients.ts";
import { versionOf } from "../../../testkit/xds/stream-log.ts";
import { clusterType, endpointType, routeType } from "../resource-type.ts";

describe("delta", () => {
  it("an empty first request for a wildcard type means everything; later changes come alone", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1", b: "1" }]]);
    client.ask(clusterType);
    assert.equal(client.ack(clusterType), "acknowledged");
    client.push([[clusterType, { a: "1", b: "2", c: "1" }]]);
    client.ack(clusterType);
    client.push([[clusterType, { b: "2", c: "1" }]]);
    assert.deepEqual(client.lines(), ["Cluster a b", "Cluster b c", "Cluster -a"]);
  });

  it("a wildcard is answered even when there is nothing; names that do not exist are", () => {
    const client = new DeltaClient();
    client.push([]);
    client.ask(clusterType, { add: ["*"] });
    client.ask(endpointType, { add: ["a"] });
    client.ask(routeType);
    assert.deepEqual(client.lines(), ["Cluster", "ClusterLoadAssignment -a"]);
  });

  it("what the client brings is not sent again, and what is gone is removed", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1", b: "2" }]]);
    const has = { a: versionOf(clusterType, "a", "1"), b: "old", c: "old" };
    client.ask(clusterType, { has });
    assert.deepEqual(client.lines(), ["Cluster b -c"]);
  });

  it("a client that has everything gets an empty answer", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1" }]]);
    client.ask(clusterType, { has: { a: versionOf(clusterType, "a", "1") } });
    assert.deepEqual(client.lines(), ["Cluster"]);
  });

  it("endpoints of clusters that a returning client has to warm are sent even if it has them", () => {
    const client = new DeltaClient();
    client.push([
      [clusterType, { a: "2", b: "1" }],
      [endpointType, { a: "1", b: "1" }],
    ]);
    const clusters = { a: "old", b: versionOf(clusterType, "b", "1") };
    client.ask(clusterType, { has: clusters });
    const has = {
      a: versionOf(endpointType, "a", "1"),
      b: versionOf(endpointType, "b", "1"),
    };
    client.ask(endpointType, { add: ["a", "b"], has });
    assert.deepEqual(client.lines(), ["Cluster a", "ClusterLoadAssignment a"]);
  });

  it("a name asked for again is sent again; one that is dropped is not sent any more", () => {
    const client = new DeltaClient();
    client.push([[endpointType, { a: "1", b: "1" }]]);
    client.ask(endpointType, { add: ["a", "b"] });
    client.ack(endpointType);
    client.ask(endpointType, { add: ["a"] });
    client.ack(endpointType);
    client.ask(endpointType, { drop: ["a"] });
    client.push([[endpointType, { a: "2", b: "2" }]]);
    assert.deepEqual(client.lines(), [
      "ClusterLoadAssignment a b",
      "ClusterLoadAssignment a",
      "ClusterLoadAssignment b",
    ]);
  });

  it("a name dropped under a wildcard is answered: with the resource, or that it is gone", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1" }]]);
    client.ask(clusterType, { add: ["*", "a", "x"] });
    client.ack(clusterType);
    client.ask(clusterType, { drop: ["a"] });
    client.ack(clusterType);
    client.ask(clusterType, { drop: ["x"] });
    assert.deepEqual(client.lines(), ["Cluster a -x", "Cluster a", "Cluster -x"]);
  });

  it("without the wildcard only names are left", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1", b: "1" }]]);
    client.ask(clusterType, { add: ["*", "a"] });
    client.ack(clusterType);
    client.ask(clusterType, { drop: ["*"] });
    client.push([[clusterType, { a: "2", b: "2" }]]);
    assert.deepEqual(client.lines(), ["Cluster a b", "Cluster a"]);
  });

  it("what is asked for while an answer is awaited comes after it", () => {
    const client = new DeltaClient();
    client.push([[endpointType, { a: "1", b: "1" }]]);
    client.ask(endpointType, { add: ["a"] });
    client.ask(endpointType, { add: ["b"] });
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment a"]);
    client.ack(endpointType);
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment b"]);
  });

  it("changes while an answer is awaited are merged", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1" }]]);
    client.ask(clusterType);
    for (const content of ["2", "3", "4"]) client.push([[clusterType, { a: content, b: content }]]);
    assert.deepEqual(client.lines(), ["Cluster a"]);
    client.ack(clusterType);
    assert.deepEqual(client.lines(), ["Cluster a b"]);
  });

  it("after a refusal everything that came with it is sent again, once something changes", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1" }]]);
    client.ask(clusterType);
    client.ack(clusterType);
    client.push([[clusterType, { a: "2", b: "bad" }]]);
    assert.equal(client.nack(clusterType), "refused");
    client.lines();
    assert.equal(client.stream.settled, true);
    client.push([[clusterType, { a: "2", b: "bad" }]]);
    assert.deepEqual(client.lines(), []);
    client.push([[clusterType, { a: "2", b: "good" }]]);
    assert.deepEqual(client.lines(), ["Cluster a b"]);
  });

  it("subscriptions in a request with a stale nonce count, its answer does not", () => {
    const client = new DeltaClient();
    client.push([[endpointType, { a: "1", b: "1" }]]);
    client.ask(endpointType, { add: ["a"] });
    client.ack(endpointType);
    client.push([[endpointType, { a: "2", b: "1" }]]);
    assert.equal(client.ask(endpointType, { nonce: "1", add: ["b"], refuse: refusal }), "stale");
    client.ack(endpointType);
    assert.deepEqual(client.lines(), [
      "ClusterLoadAssignment a",
      "ClusterLoadAssignment a",
      "ClusterLoadAssignment b",
    ]);
  });
});
