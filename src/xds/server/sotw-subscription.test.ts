import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { refusal, SotwClient } from "../../../testkit/xds/stream-clients.ts";
import { clusterType, endpointType } from "../resource-type.ts";

describe("state of the world", () => {
  it("an empty first request for a wildcard type means everything, and is answered even if that is nothing", () => {
    const client = new SotwClient();
    client.push([]);
    client.ask(clusterType, []);
    assert.deepEqual(client.lines(), ["Cluster 0"]);
    client.ask(endpointType, []);
    assert.deepEqual(client.lines(), []);
  });

  it("an acknowledgement is not answered", () => {
    const client = new SotwClient();
    client.push([[clusterType, { a: "1", b: "1" }]]);
    client.ask(clusterType, []);
    assert.deepEqual(client.lines(), ["Cluster 2"]);
    assert.equal(client.ask(clusterType, [], "1"), "acknowledged");
    assert.deepEqual(client.lines(), []);
    assert.equal(client.stream.settled, true);
  });

  it("a refusal is kept with its words, and what was refused is not sent again before it changes", () => {
    const client = new SotwClient();
    client.push([[clusterType, { a: "1" }]]);
    client.ask(clusterType, []);
    client.ask(clusterType, [], "1");
    client.push([[clusterType, { a: "bad" }]]);
    assert.equal(client.ask(clusterType, [], "2", refusal), "refused");
    const subscription = client.stream.subscription(clusterType);
    assert.equal(subscription?.refused?.detail, "not so");
    assert.equal(subscription?.acked?.nonce, "1");
    client.lines();
    client.push([[clusterType, { a: "bad" }]]);
    assert.deepEqual(client.lines(), []);
    client.push([[clusterType, { a: "good" }]]);
    assert.deepEqual(client.lines(), ["Cluster 1"]);
    client.ask(clusterType, [], "3");
    assert.equal(subscription?.refused, undefined);
  });

  it("a nonce that is not the last one is ignored with all that comes with it", () => {
    const client = new SotwClient();
    client.push([[endpointType, { a: "1", b: "1" }]]);
    client.ask(endpointType, ["a"]);
    client.ask(endpointType, ["a"], "1");
    client.push([[endpointType, { a: "2", b: "1" }]]);
    client.lines();
    assert.equal(client.ask(endpointType, ["a", "b"], "1"), "stale");
    assert.deepEqual(client.lines(), []);
    assert.equal(client.ask(endpointType, ["a", "b"], "2"), "acknowledged");
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment 1"]);
  });

  it("names that are added are answered alone, where a type need not be whole", () => {
    const client = new SotwClient();
    client.push([[endpointType, { a: "1", b: "1", c: "1" }]]);
    client.ask(endpointType, ["a", "b"]);
    client.ask(endpointType, ["a", "b", "c"], "1");
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment 2", "ClusterLoadAssignment 1"]);
  });

  it("and with all others where it must be", () => {
    const client = new SotwClient();
    client.push([[clusterType, { a: "1", b: "1", c: "1" }]]);
    client.ask(clusterType, ["a"]);
    client.ask(clusterType, ["a", "b"], "1");
    client.ask(clusterType, ["b"], "2");
    assert.deepEqual(client.lines(), ["Cluster 1", "Cluster 2", "Cluster 1"]);
  });

  it("no names after some mean that nothing is wanted any more", () => {
    const client = new SotwClient();
    client.push([[endpointType, { a: "1" }]]);
    client.ask(endpointType, ["a"]);
    client.ask(endpointType, [], "1");
    client.lines();
    client.push([[endpointType, { a: "2" }]]);
    assert.deepEqual(client.lines(), []);
    client.ask(endpointType, ["a"], "1");
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment 1"]);
  });

  it("* means everything, for any type and beside names", () => {
    const client = new SotwClient();
    client.push([[endpointType, { a: "1", b: "1" }]]);
    client.ask(endpointType, ["*", "a"]);
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment 2"]);
  });

  it("a request without nonce begins again", () => {
    const client = new SotwClient();
    client.push([[endpointType, { a: "1" }]]);
    client.ask(endpointType, ["a"]);
    client.ask(endpointType, ["a"], "1");
    client.ask(endpointType, ["a"]);
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment 1", "ClusterLoadAssignment 1"]);
  });

  it("a nonce of an earlier stream is no answer to anything", () => {
    const client = new SotwClient();
    client.push([[clusterType, { a: "1" }]]);
    assert.equal(client.ask(clusterType, [], "17"), "none");
    assert.deepEqual(client.lines(), ["Cluster 1"]);
  });

  it("endpoints of a changed cluster are sent again: the client warms it anew", () => {
    const client = new SotwClient();
    client.push([
      [clusterType, { a: "1", b: "1" }],
      [endpointType, { a: "1", b: "1" }],
    ]);
    client.ask(clusterType, []);
    client.ask(endpointType, ["a", "b"]);
    client.acknowledge();
    client.lines();
    client.push([
      [clusterType, { a: "2", b: "1" }],
      [endpointType, { a: "1", b: "1" }],
    ]);
    assert.deepEqual(client.lines(), ["Cluster 2", "ClusterLoadAssignment 1"]);
  });
});
