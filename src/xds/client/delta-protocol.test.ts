import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { NodeSchema } from "#gen/envoy/config/core/v3/base_pb.js";
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { registry } from "#gen/registry.js";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { anyOf, settle } from "../../../testkit/xds/protocol-parts.ts";
import { RecordingSubscriber } from "../../../testkit/xds/recording-subscriber.ts";
import { clusterType, endpointType, type ResourceType, routeType } from "../resource-type.ts";
import { DeltaProtocol } from "./delta-protocol.ts";
import { ResourceStore } from "./resource-store.ts";

class Fixture {
  readonly clock = new FakeClock();
  readonly store: ResourceStore = new ResourceStore({
    clock: this.clock,
    log: () => {},
    onInterest: () => {},
  });
  protocol: DeltaProtocol = this.#open();

  #open(): DeltaProtocol {
    return new DeltaProtocol(
      () => this.store.states,
      { node: create(NodeSchema, { id: "me" }), nodeOnFirstMessageOnly: true },
      { registry, supported: undefined },
    );
  }

  reconnect(): void {
    this.protocol = this.#open();
  }

  /** All that is due, in short. */
  sent(): readonly object[] {
    const requests: object[] = [];
    for (let next = this.protocol.next(); next; next = this.protocol.next())
      requests.push(short(next));
    assert.equal(this.protocol.due, 0);
    return requests;
  }

  async answer(message: DeltaDiscoveryResponse): Promise<void> {
    const incoming = this.protocol.receive(message);
    assert.ok(incoming);
    this.protocol.settle(incoming.typeUrl, await this.store.take(incoming));
  }
}

/** Of a request what is not empty. */
function short(request: DeltaDiscoveryRequest): object {
  const { typeUrl, responseNonce, errorDetail, node } = request;
  const { resourceNamesSubscribe, resourceNamesUnsubscribe, initialResourceVersions } = request;
  return {
    type: typeUrl.slice(typeUrl.lastIndexOf(".") + 1),
    ...(node === undefined ? {} : { node: node.id }),
    ...(responseNonce === "" ? {} : { nonce: responseNonce }),
    ...(resourceNamesSubscribe.length === 0 ? {} : { subscribe: resourceNamesSubscribe }),
    ...(resourceNamesUnsubscribe.length === 0 ? {} : { unsubscribe: resourceNamesUnsubscribe }),
    ...(Object.keys(initialResourceVersions).length === 0
      ? {}
      : { initial: initialResourceVersions }),
    ...(errorDetail === undefined ? {} : { error: errorDetail.message, code: errorDetail.code }),
  };
}

interface Sent {
  readonly name: string;
  readonly version: string;
  readonly resource?: Any;
  readonly ttl?: { seconds: bigint; nanos: number };
  readonly aliases?: string[];
}

function response(
  type: ResourceType,
  nonce: string,
  resources: readonly Sent[],
  removedResources: readonly string[] = [],
): DeltaDiscoveryResponse {
  return create(DeltaDiscoveryResponseSchema, {
    typeUrl: type.typeUrl,
    nonce,
    systemVersionInfo: `s${nonce}`,
    resources: [...resources],
    removedResources: [...removedResources],
  });
}

const cluster = (name: string, version: string, more: object = {}): Sent => ({
  name,
  version,
  resource: anyOf(clusterType, { name, ...more }),
});
const endpoints = (name: string, version: string): Sent => ({
  name,
  version,
  resource: anyOf(endpointType, { clusterName: name }),
});

test("asked for in make-before-break order, with the node once, and acknowledged", async () => {
  const parts = new Fixture();
  parts.store.subscribe(new RecordingSubscriber(endpointType), ["a", "b"]);
  const clusters = new RecordingSubscriber(clusterType);
  parts.store.subscribe(clusters, "all");
  assert.deepEqual(parts.sent(), [
    { type: "Cluster", node: "me" },
    { type: "ClusterLoadAssignment", subscribe: ["a", "b"] },
  ]);
  await parts.answer(response(clusterType, "n1", [cluster("a", "1"), cluster("b", "1")]));
  assert.deepEqual(clusters.names, ["a", "b"]);
  assert.equal(clusters.updates[0]?.version, "sn1");
  assert.deepEqual(parts.sent(), [{ type: "Cluster", nonce: "n1" }]);
  await parts.answer(response(clusterType, "n2", [cluster("c", "1")], ["a"]));
  assert.deepEqual(clusters.names, ["b", "c"]);
});

test("names come and go; what changes with an answer leaves with its acknowledgement", async () => {
  const parts = new Fixture();
  const subscription = parts.store.subscribe(new RecordingSubscriber(endpointType), ["a"]);
  parts.sent();
  subscription.add(["b"]);
  subscription.remove(["a"]);
  assert.deepEqual(parts.sent(), [
    { type: "ClusterLoadAssignment", subscribe: ["b"], unsubscribe: ["a"] },
  ]);
  // There and back again: nothing to say.
  subscription.add(["c"]);
  subscription.remove(["c"]);
  assert.deepEqual(parts.sent(), []);
  parts.protocol.receive(response(endpointType, "n1", [endpoints("b", "1")]));
  subscription.add(["d"]);
  assert.deepEqual(parts.sent(), []);
  parts.protocol.settle(endpointType.typeUrl, { problems: [] });
  assert.deepEqual(parts.sent(), [
    { type: "ClusterLoadAssignment", subscribe: ["d"], nonce: "n1" },
  ]);
});

test("a new stream says what is wanted, and which versions are there", async () => {
  const parts = new Fixture();
  const clusters = new RecordingSubscriber(clusterType);
  parts.store.subscribe(clusters, "all");
  parts.store.subscribe(new RecordingSubscriber(endpointType), ["a", "b"]);
  parts.sent();
  clusters.refuse = ({ set }) =>
    set
      .filter(({ json }) => json["altStatName"] === "bad")
      .map(({ name }) => ({ name, path: "", message: "no" }));
  await parts.answer(response(clusterType, "n1", [cluster("a", "1"), cluster("b", "1")]));
  await parts.answer(response(endpointType, "n1", [endpoints("a", "7")]));
  const update = [cluster("a", "2", { altStatName: "bad" }), cluster("c", "2")];
  await parts.answer(response(clusterType, "n2", update));
  assert.deepEqual(parts.sent(), [
    { type: "Cluster", nonce: "n1" },
    { type: "Cluster", nonce: "n2", error: "a: no", code: 13 },
    { type: "ClusterLoadAssignment", nonce: "n1" },
  ]);
  parts.reconnect();
  assert.deepEqual(parts.sent(), [
    { type: "Cluster", node: "me", initial: { a: "1", b: "1", c: "2" } },
    { type: "ClusterLoadAssignment", subscribe: ["a", "b"], initial: { a: "7" } },
  ]);
});

test("everything, and names beside it; then names only; then everything again", async () => {
  const parts = new Fixture();
  const all = parts.store.subscribe(new RecordingSubscriber(clusterType), "all");
  parts.sent();
  const named = parts.store.subscribe(new RecordingSubscriber(clusterType), ["x"]);
  assert.deepEqual(parts.sent(), [{ type: "Cluster", subscribe: ["x"] }]);
  await parts.answer(response(clusterType, "n1", [cluster("x", "1"), cluster("y", "1")]));
  parts.sent();
  all.close();
  assert.deepEqual(parts.sent(), [{ type: "Cluster", unsubscribe: ["*"] }]);
  parts.reconnect();
  assert.deepEqual(parts.sent(), [
    { type: "Cluster", node: "me", subscribe: ["x"], initial: { x: "1" } },
  ]);
  named.set("all");
  assert.deepEqual(parts.sent(), [{ type: "Cluster", subscribe: ["*"], unsubscribe: ["x"] }]);
  named.add(["is everything already"]);
  assert.deepEqual(parts.sent(), []);
});

test("both from the begin: the wildcard has its name", () => {
  const parts = new Fixture();
  parts.store.subscribe(new RecordingSubscriber(clusterType), "all");
  parts.store.subscribe(new RecordingSubscriber(clusterType), ["x"]);
  assert.deepEqual(parts.sent(), [{ type: "Cluster", node: "me", subscribe: ["*", "x"] }]);
});

test("a name that does not exist is said to whoever asked for it, now and later", async () => {
  const parts = new Fixture();
  const first = new RecordingSubscriber(routeType);
  parts.store.subscribe(first, ["r"]);
  parts.sent();
  await parts.answer(response(routeType, "n1", [], ["r", "another"]));
  assert.deepEqual(
    first.updates.map(({ removed }) => removed),
    [["r"]],
  );
  const second = new RecordingSubscriber(routeType);
  parts.store.subscribe(second, ["r"]);
  await settle();
  assert.deepEqual(
    second.updates.map(({ removed }) => removed),
    [["r"]],
  );
  assert.equal(parts.store.dump()[0]?.resources[0]?.status, "does-not-exist");
  const route = { name: "r", version: "1", resource: anyOf(routeType, { name: "r" }) };
  await parts.answer(response(routeType, "n2", [route]));
  assert.deepEqual([first.names, second.names], [["r"], ["r"]]);
});

test("what nobody asked for is not looked into", async () => {
  const parts = new Fixture();
  const assignments = new RecordingSubscriber(endpointType);
  parts.store.subscribe(assignments, ["a"]);
  parts.sent();
  const broken = { typeUrl: endpointType.typeUrl, value: Buffer.from([10, 99]) };
  const unknown = {
    ...endpoints("b", "1"),
    resource: { ...endpoints("b", "1").resource, ...broken },
  };
  const message = response(endpointType, "n1", [endpoints("a", "1")]);
  // Proof: an Any of protobuf-es, with other contents.
  message.resources.push(...response(endpointType, "", [unknown as Sent]).resources);
  await parts.answer(message);
  assert.deepEqual(assignments.names, ["a"]);
  assert.deepEqual(parts.sent(), [{ type: "ClusterLoadAssignment", nonce: "n1" }]);
});

test("a name twice, or sent and removed, refuses the answer whole", async () => {
  const parts = new Fixture();
  const clusters = new RecordingSubscriber(clusterType);
  parts.store.subscribe(clusters, "all");
  parts.sent();
  await parts.answer(response(clusterType, "n1", [cluster("a", "1"), cluster("a", "2")]));
  await parts.answer(response(clusterType, "n2", [cluster("a", "1"), cluster("b", "1")], ["b"]));
  assert.deepEqual(parts.sent(), [
    { type: "Cluster", nonce: "n1", error: "a: comes twice in one answer", code: 13 },
    { type: "Cluster", nonce: "n2", error: "b: comes twice in one answer", code: 13 },
  ]);
  assert.deepEqual(clusters.names, []);
});

test("a time to live runs out; the version is not told to a server any more", async () => {
  const parts = new Fixture();
  const clusters = new RecordingSubscriber(clusterType);
  parts.store.subscribe(clusters, "all");
  parts.sent();
  const ttl = { seconds: 3n, nanos: 0 };
  await parts.answer(
    response(clusterType, "n1", [{ ...cluster("a", "1"), ttl }, cluster("b", "1")]),
  );
  parts.clock.advance(2000);
  await parts.answer(response(clusterType, "n2", [{ name: "a", version: "1", ttl }]));
  parts.clock.advance(2999);
  await settle();
  assert.deepEqual(clusters.names, ["a", "b"]);
  parts.clock.advance(1);
  await settle();
  assert.deepEqual(clusters.names, ["b"]);
  parts.sent();
  parts.reconnect();
  assert.deepEqual(parts.sent(), [{ type: "Cluster", node: "me", initial: { b: "1" } }]);
});

test("an alias that leads to nothing is no resource", async () => {
  const parts = new Fixture();
  const routes = new RecordingSubscriber(routeType);
  parts.store.subscribe(routes, ["r"]);
  parts.sent();
  await parts.answer(response(routeType, "n1", [{ name: "", version: "", aliases: ["r"] }]));
  assert.deepEqual(parts.sent(), [{ type: "RouteConfiguration", nonce: "n1" }]);
  assert.deepEqual(routes.updates, []);
});
