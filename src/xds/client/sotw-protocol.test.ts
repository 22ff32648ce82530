import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { NodeSchema } from "#gen/envoy/config/core/v3/base_pb.js";
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import { registry } from "#gen/registry.js";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { anyOf, settle } from "../../../testkit/xds/protocol-parts.ts";
import { RecordingSubscriber } from "../../../testkit/xds/recording-subscriber.ts";
import { clusterType, endpointType, type ResourceType, routeType } from "../resource-type.ts";
import { resourceTypeUrl } from "./any-resource.ts";
import { ResourceStore } from "./resource-store.ts";
import { SotwProtocol } from "./sotw-protocol.ts";

interface Fixture {
  readonly clock: FakeClock;
  readonly store: ResourceStore;
  protocol: SotwProtocol;
  /** A stream like the one before. */
  reconnect(): void;
  /** All that is due, in short. */
  sent(): readonly object[];
  requests(): readonly DiscoveryRequest[];
  /** Looks at an answer; its verdict is due then. */
  answer(response: DiscoveryResponse): Promise<void>;
}

function fixture(options: { readonly nodeOnFirstMessageOnly?: boolean } = {}): Fixture {
  const { nodeOnFirstMessageOnly = true } = options;
  const clock = new FakeClock();
  const store = new ResourceStore({ clock, log: () => {}, onInterest: () => {} });
  const node = create(NodeSchema, { id: "me" });
  const open = (): SotwProtocol =>
    new SotwProtocol(
      () => store.states,
      { node, nodeOnFirstMessageOnly },
      { registry, supported: undefined },
    );
  const parts: Fixture = {
    clock,
    store,
    protocol: open(),
    reconnect() {
      parts.protocol = open();
    },
    requests() {
      const requests: DiscoveryRequest[] = [];
      for (let next = parts.protocol.next(); next; next = parts.protocol.next())
        requests.push(next);
      return requests;
    },
    sent: () => parts.requests().map(short),
    async answer(message) {
      const incoming = parts.protocol.receive(message);
      assert.ok(incoming);
      const verdict = await store.take(incoming);
      parts.protocol.settle(incoming.typeUrl, verdict);
    },
  };
  return parts;
}

/** Of a request what is not empty. */
function short(request: DiscoveryRequest): object {
  const { typeUrl, versionInfo, responseNonce, resourceNames, errorDetail, node } = request;
  return {
    type: typeUrl.slice(typeUrl.lastIndexOf(".") + 1),
    ...(node === undefined ? {} : { node: node.id }),
    ...(versionInfo === "" ? {} : { version: versionInfo }),
    ...(responseNonce === "" ? {} : { nonce: responseNonce }),
    ...(resourceNames.length === 0 ? {} : { names: resourceNames }),
    ...(errorDetail === undefined ? {} : { error: errorDetail.message, code: errorDetail.code }),
  };
}

function response(type: ResourceType, version: string, ...resources: Any[]): DiscoveryResponse {
  const { typeUrl } = type;
  const nonce = `n${version}`;
  return create(DiscoveryResponseSchema, { typeUrl, versionInfo: version, nonce, resources });
}

const cluster = (name: string, more: object = {}): Any => anyOf(clusterType, { name, ...more });
const endpoints = (clusterName: string): Any => anyOf(endpointType, { clusterName });

test("asked for in make-before-break order, with the node once, and acknowledged", async () => {
  const { store, sent, answer } = fixture();
  store.subscribe(new RecordingSubscriber(endpointType), ["a", "b"]);
  const clusters = new RecordingSubscriber(clusterType);
  store.subscribe(clusters, "all");
  assert.deepEqual(sent(), [
    { type: "Cluster", node: "me" },
    { type: "ClusterLoadAssignment", names: ["a", "b"] },
  ]);
  assert.deepEqual(sent(), []);
  await answer(response(clusterType, "1", cluster("a")));
  assert.deepEqual(clusters.names, ["a"]);
  assert.deepEqual(sent(), [{ type: "Cluster", version: "1", nonce: "n1" }]);
});

test("without set_node_on_first_message_only each request has the node", () => {
  const { store, sent } = fixture({ nodeOnFirstMessageOnly: false });
  store.subscribe(new RecordingSubscriber(clusterType), "all");
  store.subscribe(new RecordingSubscriber(endpointType), ["a"]);
  assert.deepEqual(sent(), [
    { type: "Cluster", node: "me" },
    { type: "ClusterLoadAssignment", node: "me", names: ["a"] },
  ]);
});

test("what is refused is named, with the version that is still good, which a new stream says too", async () => {
  const parts = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  parts.store.subscribe(clusters, "all");
  parts.sent();
  await parts.answer(response(clusterType, "1", cluster("a"), cluster("b")));
  parts.sent();
  clusters.refuse = () => [
    { name: "a", path: "lb_policy", message: "no" },
    { name: "a", path: "", message: "never" },
  ];
  await parts.answer(response(clusterType, "2", cluster("a", { altStatName: "x" }), cluster("b")));
  const error = "a: lb_policy: no; a: never";
  const refusal = { type: "Cluster", version: "1", nonce: "n2" };
  assert.deepEqual(parts.sent(), [{ ...refusal, error, code: 13 }]);
  parts.reconnect();
  assert.deepEqual(parts.sent(), [{ type: "Cluster", node: "me", version: "1" }]);
});

test("an answer with something that is no valid message is refused whole", async () => {
  const { store, sent, answer } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  store.subscribe(clusters, "all");
  sent();
  const broken = create(AnySchema, { typeUrl: clusterType.typeUrl, value: Buffer.from([10, 99]) });
  await answer(response(clusterType, "1", cluster("a"), cluster("bad", { connectTimeout: "0s" })));
  assert.deepEqual(clusters.names, []);
  const [invalid] = sent();
  assert.deepEqual(invalid, {
    type: "Cluster",
    nonce: "n1",
    error: "bad: connect_timeout: value must be greater than 0s",
    code: 13,
  });
  assert.equal(clusters.refusals.length, 1);
  await answer(response(clusterType, "2", cluster("a"), broken));
  assert.match(JSON.stringify(sent()), /is not a binary envoy.config.cluster.v3.Cluster/);
  await answer(response(clusterType, "3", cluster("a"), endpoints("b")));
  assert.match(JSON.stringify(sent()), /ClusterLoadAssignment in an answer whose type_url is/);
  await answer(response(clusterType, "4", cluster("a"), cluster("a")));
  assert.match(JSON.stringify(sent()), /"a: comes twice in one answer"/);
  assert.deepEqual(clusters.names, []);
});

test("clusters that an answer leaves out are gone; endpoints are not", async () => {
  const { store, sent, answer } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  const assignments = new RecordingSubscriber(endpointType);
  store.subscribe(clusters, "all");
  store.subscribe(assignments, ["a", "b"]);
  sent();
  await answer(response(clusterType, "1", cluster("a"), cluster("b")));
  await answer(response(endpointType, "1", endpoints("a"), endpoints("b"), endpoints("c")));
  assert.deepEqual(assignments.names, ["a", "b"]);
  await answer(response(clusterType, "2", cluster("b")));
  await answer(response(endpointType, "2", endpoints("b")));
  assert.deepEqual(clusters.names, ["b"]);
  assert.deepEqual(assignments.names, ["a", "b"]);
  await answer(response(clusterType, "3"));
  assert.deepEqual(clusters.names, []);
});

test("a bad resource keeps its last good form; left out, it is gone all the same", async () => {
  const { store, sent, answer } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  clusters.refuse = ({ set }) =>
    set
      .filter(({ json }) => json["altStatName"] === "bad")
      .map(({ name }) => ({ name, path: "", message: "no" }));
  store.subscribe(clusters, "all");
  sent();
  await answer(response(clusterType, "1", cluster("a"), cluster("b")));
  await answer(response(clusterType, "2", cluster("a", { altStatName: "bad" }), cluster("c")));
  assert.deepEqual(clusters.names, ["a", "c"]);
  assert.deepEqual(clusters.resources.get("a"), { name: "a" });
  await answer(response(clusterType, "3", cluster("c")));
  assert.deepEqual(clusters.names, ["c"]);
});

test("changes leave together, and those that an answer brings about with its acknowledgement", async () => {
  const { store, protocol, sent } = fixture();
  const subscription = store.subscribe(new RecordingSubscriber(endpointType), ["a"]);
  sent();
  subscription.add(["b"]);
  subscription.add(["c"]);
  subscription.remove(["a"]);
  assert.deepEqual(sent(), [{ type: "ClusterLoadAssignment", names: ["b", "c"] }]);
  protocol.receive(response(endpointType, "1", endpoints("b")));
  subscription.add(["d"]);
  assert.deepEqual(sent(), []);
  assert.equal(protocol.due, 0);
  protocol.settle(endpointType.typeUrl, { problems: [] });
  assert.deepEqual(sent(), [
    { type: "ClusterLoadAssignment", nonce: "n1", names: ["b", "c", "d"] },
  ]);
});

test("everything and names; then names only; then nothing more is asked for", async () => {
  const { store, sent, answer } = fixture();
  const all = store.subscribe(new RecordingSubscriber(clusterType), "all");
  assert.deepEqual(sent(), [{ type: "Cluster", node: "me" }]);
  const named = store.subscribe(new RecordingSubscriber(clusterType), ["x"]);
  assert.deepEqual(sent(), [{ type: "Cluster", names: ["*", "x"] }]);
  await answer(response(clusterType, "1", cluster("x"), cluster("y")));
  assert.deepEqual(sent(), [{ type: "Cluster", version: "1", nonce: "n1", names: ["*", "x"] }]);
  all.close();
  assert.deepEqual(sent(), [{ type: "Cluster", version: "1", nonce: "n1", names: ["x"] }]);
  assert.deepEqual(
    store.dump()[0]?.resources.map(({ name }) => name),
    ["x"],
  );
  named.close();
  assert.deepEqual(sent(), [{ type: "Cluster", version: "1", nonce: "n1" }]);
});

test("a wildcard without names cannot be left: no request says so", () => {
  const { store, sent } = fixture();
  const all = store.subscribe(new RecordingSubscriber(clusterType), "all");
  sent();
  all.close();
  assert.deepEqual(sent(), []);
});

test("an answer for a type that nobody asked for is no answer", () => {
  const { store, protocol, sent } = fixture();
  store.subscribe(new RecordingSubscriber(clusterType), "all");
  sent();
  assert.equal(protocol.receive(response(routeType, "1")), undefined);
});

test("what is unchanged is not applied again; everything's subscriber hears of each answer", async () => {
  const { store, sent, answer } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  const assignments = new RecordingSubscriber(endpointType);
  store.subscribe(clusters, "all");
  store.subscribe(assignments, ["a"]);
  sent();
  await answer(response(clusterType, "1", cluster("a")));
  await answer(response(clusterType, "2", cluster("a")));
  assert.deepEqual(
    clusters.updates.map(({ set, version }) => [version, set.length]),
    [
      ["1", 1],
      ["2", 0],
    ],
  );
  await answer(response(endpointType, "1", endpoints("a")));
  await answer(response(endpointType, "2", endpoints("a")));
  assert.equal(assignments.updates.length, 1);
  assert.equal(store.dump()[0]?.resources[0]?.resource?.version, "2");
});

test("a second subscriber has what is there, without the server", async () => {
  const { store, sent, answer } = fixture();
  store.subscribe(new RecordingSubscriber(endpointType), ["a"]);
  sent();
  await answer(response(endpointType, "1", endpoints("a")));
  sent();
  const second = new RecordingSubscriber(endpointType);
  store.subscribe(second, ["a"]);
  await settle();
  assert.deepEqual(second.names, ["a"]);
  assert.deepEqual(sent(), []);
});

test("a name that is left and wanted again before the server hears of it is still there", async () => {
  const { store, sent, answer } = fixture();
  const first = store.subscribe(new RecordingSubscriber(endpointType), ["a", "b"]);
  sent();
  await answer(response(endpointType, "1", endpoints("a"), endpoints("b")));
  sent();
  first.remove(["a"]);
  const second = new RecordingSubscriber(endpointType);
  store.subscribe(second, ["a"]);
  await settle();
  assert.deepEqual(second.names, ["a"]);
});

function wrapped(json: { name: string; version: string; ttl?: bigint; resource?: Any }): Any {
  const { name, version, ttl, resource } = json;
  const wrapper = create(ResourceSchema, {
    name,
    version,
    ...(ttl === undefined ? {} : { ttl: { seconds: ttl, nanos: 0 } }),
    ...(resource === undefined ? {} : { resource }),
  });
  return create(AnySchema, {
    typeUrl: resourceTypeUrl,
    value: toBinary(ResourceSchema, wrapper),
  });
}

test("a time to live runs out unless a heartbeat comes", async () => {
  const { store, clock, sent, answer } = fixture();
  const assignments = new RecordingSubscriber(endpointType);
  store.subscribe(assignments, ["a", "b"]);
  sent();
  const a = wrapped({ name: "a", version: "7", ttl: 10n, resource: endpoints("a") });
  const b = wrapped({ name: "b", version: "7", ttl: 20n, resource: endpoints("b") });
  await answer(response(endpointType, "1", a, b));
  assert.equal(store.dump()[0]?.resources[0]?.resource?.ttlMs, 10_000);
  clock.advance(9000);
  await answer(response(endpointType, "2", wrapped({ name: "a", version: "7", ttl: 10n })));
  clock.advance(9999);
  await settle();
  assert.deepEqual(assignments.names, ["a", "b"]);
  clock.advance(1);
  await settle();
  assert.deepEqual(assignments.names, ["b"]);
  clock.advance(1000);
  await settle();
  assert.deepEqual(assignments.names, []);
  assert.equal(clock.waiting, 0);
  assert.deepEqual(
    store.dump()[0]?.resources.map(({ status }) => status),
    ["does-not-exist", "does-not-exist"],
  );
});

test("a heartbeat of another version, or of what is not there, is nothing", async () => {
  const { store, clock, sent, answer } = fixture();
  const assignments = new RecordingSubscriber(endpointType);
  store.subscribe(assignments, ["a", "b"]);
  sent();
  const a = wrapped({ name: "a", version: "7", ttl: 10n, resource: endpoints("a") });
  await answer(response(endpointType, "1", a));
  clock.advance(5000);
  const beats = ["a", "b"].map((name) => wrapped({ name, version: "8", ttl: 10n }));
  await answer(response(endpointType, "2", ...beats));
  clock.advance(5000);
  await settle();
  assert.deepEqual(assignments.names, []);
});
