import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { completeClient, DeltaClient, SotwClient } from "../../../testkit/xds/stream-clients.ts";
import { snapshotOf, type World } from "../../../testkit/xds/stream-log.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
  secretType,
} from "../resource-type.ts";

describe("make before break", () => {
  const world = (cluster: string, content: string): World => [
    [clusterType, { [cluster]: content }],
    [endpointType, { [cluster]: content }],
    [listenerType, { in: content }],
    [routeType, { main: content }],
    [secretType, { tls: content }],
  ];

  it("clusters, endpoints and secrets go at once; listeners when both are acknowledged, then routes", () => {
    const client = completeClient(world("a", "1"));
    client.push(world("a", "2"));
    assert.deepEqual(client.lines(), ["Cluster a", "ClusterLoadAssignment a", "Secret tls"]);
    client.ack(endpointType);
    assert.deepEqual(client.lines(), []);
    client.ack(clusterType);
    assert.deepEqual(client.lines(), ["Listener in"]);
    client.ack(listenerType);
    assert.deepEqual(client.lines(), ["RouteConfiguration main"]);
    client.ack(routeType);
    client.ack(secretType);
    assert.equal(client.stream.settled, true);
  });

  it("a cluster is removed when the routes that used it are acknowledged", () => {
    const client = completeClient(world("a", "1"));
    client.push(world("b", "2"));
    assert.deepEqual(client.lines(), ["Cluster b", "Secret tls"]);
    client.ask(endpointType, { add: ["b"], nonce: "" });
    client.ack(endpointType);
    client.ack(clusterType);
    client.ack(listenerType);
    assert.deepEqual(client.lines(), [
      "ClusterLoadAssignment b",
      "Listener in",
      "RouteConfiguration main",
    ]);
    client.ack(routeType);
    assert.deepEqual(client.lines(), ["Cluster -a"]);
    client.ack(clusterType);
    assert.deepEqual(client.lines(), ["ClusterLoadAssignment -a"]);
  });

  it("and stays when they are refused", () => {
    const client = completeClient(world("a", "1"));
    client.push([
      [clusterType, {}],
      [endpointType, {}],
      [listenerType, { in: "1" }],
      [routeType, { main: "bad" }],
      [secretType, { tls: "1" }],
    ]);
    client.nack(routeType);
    assert.deepEqual(client.lines(), ["RouteConfiguration main"]);
    assert.equal(client.stream.settled, true);
  });

  it("a client that does not acknowledge holds up the others only until they are released", () => {
    const client = completeClient(world("a", "1"));
    client.push(world("b", "2"));
    assert.equal(client.stream.held, true);
    client.lines();
    client.stream.release();
    assert.deepEqual(client.lines(), [
      "ClusterLoadAssignment -a",
      "Listener in",
      "RouteConfiguration main",
    ]);
    assert.equal(client.stream.held, false);
  });

  it("what the client asks for is never held up", () => {
    const client = completeClient(world("a", "1"));
    client.push([
      [clusterType, { a: "2" }],
      [endpointType, { a: "1" }],
      [routeType, { main: "1", more: "1" }],
    ]);
    client.lines();
    client.ask(routeType, { add: ["more"] });
    assert.deepEqual(client.lines(), ["RouteConfiguration more"]);
  });
});

describe("a slow client", () => {
  it("gets nothing while it takes nothing, and then only the last", () => {
    const client = completeClient([
      [clusterType, { a: "1" }],
      [listenerType, { in: "1" }],
    ]);
    client.writable = false;
    client.push([
      [clusterType, { a: "2" }],
      [listenerType, { in: "2" }],
    ]);
    assert.deepEqual(client.lines(), ["Cluster a"]);
    client.ack(clusterType);
    client.push([
      [clusterType, { a: "3" }],
      [listenerType, { in: "3" }],
    ]);
    assert.deepEqual(client.lines(), []);
    client.writable = true;
    client.stream.onWritable();
    assert.deepEqual(client.lines(), ["Cluster a"]);
    client.ack(clusterType);
    assert.deepEqual(client.lines(), ["Listener in"]);
  });
});

describe("time to live", () => {
  it("delta: heartbeats name the resources without their content, and are acknowledged", () => {
    const client = new DeltaClient();
    client.push([[clusterType, { a: "1" }]], 1000);
    client.ask(clusterType);
    client.ack(clusterType);
    assert.equal(client.stream.ttlMs, 1000);
    client.stream.heartbeat();
    client.stream.heartbeat();
    assert.deepEqual(client.lines(), ["Cluster a", "Cluster a?"]);
    assert.equal(client.ack(clusterType), "acknowledged");
    client.stream.heartbeat();
    assert.deepEqual(client.lines(), ["Cluster a?"]);
  });

  it("state of the world: in a wrapper, for clients that know it", () => {
    const client = new SotwClient();
    client.wrapped = true;
    client.push([[endpointType, { a: "1" }]], 1000);
    client.ask(endpointType, ["a"]);
    client.acknowledge();
    client.stream.heartbeat();
    const line = "ClusterLoadAssignment 1 (1 wrapped)";
    assert.deepEqual(client.lines(), [line, line]);
    const other = new SotwClient();
    other.push([[endpointType, { a: "1" }]], 1000);
    other.ask(endpointType, ["a"]);
    other.acknowledge();
    other.stream.heartbeat();
    assert.deepEqual(other.lines(), ["ClusterLoadAssignment 1"]);
  });
});

describe("limits", () => {
  it("a stream has no more than 64 types", () => {
    const client = new DeltaClient();
    const type = (index: number): ResourceType => ({ ...secretType, typeUrl: `x/${index}` });
    for (let index = 0; index < 64; index++) assert.ok(client.stream.subscription(type(index)));
    assert.equal(client.stream.subscription(type(64)), undefined);
    assert.ok(client.stream.subscription(type(0)));
  });
});

it("the same response to several clients is the same bytes", () => {
  const clients = Array.from({ length: 4 }, () => new DeltaClient());
  for (const content of ["1", "2"]) {
    const snapshot = snapshotOf([[clusterType, { a: content }]]);
    for (const client of clients) {
      client.stream.push(snapshot);
      if (content === "1") client.ask(clusterType);
      client.ack(clusterType);
    }
  }
  // The first only finds out that there may be others.
  const [, second, ...others] = clients.map(({ sent }) => sent.map(({ pieces }) => pieces[0]));
  assert.equal(second?.length, 2);
  for (const other of others)
    for (const [index, bytes] of other.entries()) assert.equal(bytes, second?.[index]);
});
