import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { registry } from "#gen/registry.js";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { anyOf, settle } from "../../../testkit/xds/protocol-parts.ts";
import { RecordingSubscriber } from "../../../testkit/xds/recording-subscriber.ts";
import { clusterType, endpointType, type ResourceType } from "../resource-type.ts";
import type { ResourceProblem, ResourceUpdate, Subscriber } from "../subscriber.ts";
import { contentOf, type DecodeOptions } from "./any-resource.ts";
import type { Incoming, IncomingResource } from "./incoming.ts";
import { ResourceStore } from "./resource-store.ts";

const supported = new Map([
  ["envoy.config.cluster.v3.Cluster", new Set(["name", "alt_stat_name"])],
  ["envoy.config.endpoint.v3.ClusterLoadAssignment", new Set(["cluster_name"])],
]);
const options: DecodeOptions = { registry, supported };

interface Fixture {
  readonly store: ResourceStore;
  readonly clock: FakeClock;
  readonly warnings: string[];
  readonly unknown: number[];
  interests: number;
}

function fixture(): Fixture {
  const clock = new FakeClock();
  const parts = { clock, warnings: [] as string[], unknown: [] as number[], interests: 0 };
  const store = new ResourceStore({
    clock,
    log: (_level, message) => parts.warnings.push(message),
    onInterest: () => {
      parts.interests++;
    },
    onUnknownFields: (count) => parts.unknown.push(count),
  });
  return Object.assign(parts, { store });
}

function resource(
  type: ResourceType,
  json: { readonly name?: string; readonly clusterName?: string } & object,
): IncomingResource {
  const content = contentOf(type, anyOf(type, json).value, options);
  return { name: json.name ?? json.clusterName ?? "", version: "1", ttlMs: undefined, content };
}

const cluster = (name: string, more: object = {}): IncomingResource =>
  resource(clusterType, { name, ...more });

function answer(
  type: ResourceType,
  resources: readonly IncomingResource[],
  more: Partial<Incoming> = {},
): Incoming {
  const { typeUrl, complete } = type;
  return { typeUrl, version: "v", resources, removed: [], complete, invalid: [], ...more };
}

test("a field that is not supported refuses its resource alone, by name", async () => {
  const { store, warnings } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  store.subscribe(clusters, "all");
  const bad = cluster("bad", { lbPolicy: "RANDOM", connectTimeout: "1s" });
  const { problems } = await store.take(answer(clusterType, [cluster("good"), bad]));
  const paths = problems.map(({ name, path, message }) => `${name} ${path} ${message}`).sort();
  assert.deepEqual(paths, [
    "bad connect_timeout is not supported by Heddle",
    "bad lb_policy is not supported by Heddle",
  ]);
  assert.deepEqual(clusters.names, ["good"]);
  assert.deepEqual(clusters.refusals, [problems]);
  assert.match(warnings[0] ?? "", /^cds: refused, what was good before keeps serving: bad: /);
  const [dump] = store.dump();
  assert.equal(dump?.version, "");
  assert.equal(dump?.resources[0]?.refused?.failedConfiguration?.["lbPolicy"], "RANDOM");
  assert.equal(dump?.resources[0]?.lastUpdatedMs, undefined);
});

test("newer fields are counted", async () => {
  const { store, unknown } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  store.subscribe(clusters, "all");
  const known = anyOf(clusterType, { name: "a" }).value;
  const newer = new BinaryWriter().raw(known).tag(5000, WireType.Varint).uint32(1).finish();
  const content = contentOf(clusterType, newer, options);
  const { problems } = await store.take(
    answer(clusterType, [{ name: "a", version: "1", ttlMs: undefined, content }]),
  );
  assert.deepEqual([problems, clusters.names, unknown], [[], ["a"], [1]]);
});

test("each subscriber gets what it asked for", async () => {
  const { store } = fixture();
  const first = new RecordingSubscriber(endpointType);
  const second = new RecordingSubscriber(endpointType);
  store.subscribe(first, ["a", "b"]);
  store.subscribe(second, ["b", "c"]);
  const names = ["a", "b", "d"].map((clusterName) => resource(endpointType, { clusterName }));
  await store.take(answer(endpointType, names));
  assert.deepEqual([first.names, second.names], [["a", "b"], ["b"]]);
  await store.take(answer(endpointType, [], { removed: ["b", "d"] }));
  assert.deepEqual([first.names, second.names], [["a"], []]);
});

class SlowSubscriber implements Subscriber {
  readonly type: ResourceType = clusterType;
  readonly log: string[] = [];
  readonly #go: (() => void)[] = [];

  async apply({ version }: ResourceUpdate): Promise<readonly ResourceProblem[]> {
    this.log.push(`begins ${version}`);
    await new Promise<void>((resolve) => this.#go.push(resolve));
    this.log.push(`ends ${version}`);
    return [];
  }

  async step(): Promise<void> {
    this.#go.shift()?.();
    await settle();
  }
}

test("a subscriber that takes its time is called again when it is done, whatever comes meanwhile", async () => {
  const { store, clock } = fixture();
  const slow = new SlowSubscriber();
  store.subscribe(slow, "all");
  const ttl = { ...cluster("a"), ttlMs: 1000 };
  const first = store.take(answer(clusterType, [ttl], { version: "1" }));
  const second = store.take(answer(clusterType, [ttl, cluster("b")], { version: "2" }));
  await settle();
  assert.deepEqual(slow.log, ["begins 1"]);
  await slow.step();
  assert.deepEqual(await first, { problems: [] });
  assert.deepEqual(slow.log, ["begins 1", "ends 1", "begins 2"]);
  clock.advance(1000);
  await settle();
  assert.equal(slow.log.length, 3);
  await slow.step();
  await second;
  await slow.step();
  // The second answer has brought it once more before its time was up.
  assert.deepEqual(slow.log.slice(3), ["ends 2"]);
  clock.advance(1000);
  await slow.step();
  assert.deepEqual(slow.log.slice(4), ["begins 2"]);
  await slow.step();
});

test("a subscriber that ends while others are called hears nothing more", async () => {
  const { store } = fixture();
  const second = new RecordingSubscriber(clusterType);
  const first = new RecordingSubscriber(clusterType);
  first.refuse = () => {
    subscription.close();
    return [];
  };
  store.subscribe(first, "all");
  const subscription = store.subscribe(second, "all");
  await store.take(answer(clusterType, [cluster("a")]));
  assert.deepEqual([first.names, second.names], [["a"], []]);
  subscription.add(["b"]);
  subscription.set("all");
  subscription.close();
  assert.equal(store.state(clusterType.typeUrl)?.watches.size, 1);
});

test("what one of two subscribers refuses is refused", async () => {
  const { store } = fixture();
  const first = new RecordingSubscriber(clusterType);
  const second = new RecordingSubscriber(clusterType);
  second.refuse = () => [{ name: "a", path: "", message: "no" }];
  store.subscribe(first, "all");
  store.subscribe(second, "all");
  const { problems } = await store.take(answer(clusterType, [cluster("a"), cluster("b")]));
  assert.equal(problems.length, 1);
  assert.deepEqual(
    store.dump()[0]?.resources.map(({ status }) => status),
    ["nacked", "acked"],
  );
});

test("a problem without a name is one of the whole update", async () => {
  const { store } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  clusters.refuse = () => [{ name: "", path: "", message: "not now" }];
  store.subscribe(clusters, "all");
  const { problems } = await store.take(answer(clusterType, [cluster("a")]));
  assert.deepEqual(problems, [{ name: "", path: "", message: "not now" }]);
  assert.deepEqual(store.dump()[0]?.resources, []);
});

test("a failure is heard by all", () => {
  const { store } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  const endpoints = new RecordingSubscriber(endpointType);
  store.subscribe(clusters, "all");
  store.subscribe(endpoints, []);
  store.failed("gone");
  assert.deepEqual([clusters.failures, endpoints.failures], [["gone"], ["gone"]]);
});

test("saved resources are given to whoever wants them, until a server answers", async () => {
  const { store } = fixture();
  const clusters = new RecordingSubscriber(clusterType);
  store.subscribe(clusters, "all");
  const assignment = resource(endpointType, { clusterName: "a" });
  store.shelve(
    new Map([
      [clusterType.typeUrl, [cluster("a"), cluster("b")]],
      [endpointType.typeUrl, [assignment]],
    ]),
  );
  await settle();
  assert.deepEqual(clusters.names, ["a", "b"]);
  // Of no server: the next one is asked for all there is.
  assert.equal(store.state(clusterType.typeUrl)?.version, "");
  const endpoints = new RecordingSubscriber(endpointType);
  const subscription = store.subscribe(endpoints, []);
  await settle();
  assert.deepEqual(endpoints.names, []);
  subscription.add(["a"]);
  await settle();
  assert.deepEqual(endpoints.names, ["a"]);
  store.unshelve();
  await store.take(answer(clusterType, [cluster("b"), cluster("c")]));
  assert.deepEqual(clusters.names, ["b", "c"]);
  // "b" is what it was.
  assert.deepEqual(
    clusters.updates.at(-1)?.set.map(({ name }) => name),
    ["c"],
  );
});
