import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ProxyNode } from "#model/node.ts";
import { readNode } from "#model/read-node.ts";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { nodeOf, objectsOf } from "../../testkit/view-of.ts";
import { AutoRegistration } from "./auto-registration.ts";
import { Mesh } from "./mesh.ts";
import { MemoryStore } from "./stores/memory/memory-store.ts";
import { proxyView } from "./views.ts";

const entry = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
`;

const group = `
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: reviews-v2}
spec:
  metadata: {labels: {app: reviews, version: v2}, annotations: {team: shop}}
  template: {ports: {http: 9080}, serviceAccount: bookinfo, labels: {version: template}}
`;

function setUp(yaml: string, workloadsMax = 10, saved?: MemoryStore) {
  const clock = new FakeClock(1_000_000);
  const mesh = new Mesh();
  const store = new MemoryStore({ clock });
  mesh.follow(store);
  const apply = (text: string): void => {
    const set = objectsOf(text).map((object) => ({ object }));
    store.change({ author: "", message: "", set });
  };
  apply(yaml);
  const log: string[] = [];
  const registration = new AutoRegistration({
    mesh,
    clock,
    controller: "pilot-1",
    workloadsMax,
    saved,
    log: (_, message) => log.push(message),
  });
  registration.start();
  const endpoints = () => {
    const { scope } = proxyView(mesh.state(), nodeOf());
    const service = scope.service("reviews.default.svc.cluster.local");
    return service === undefined ? [] : scope.endpoints(service);
  };
  return { clock, mesh, registration, apply, endpoints, log };
}

function node(id: string, metadata: Readonly<Record<string, unknown>> = {}): ProxyNode {
  const read = readNode({ id, metadata: { AUTO_REGISTER_GROUP: "reviews-v2", ...metadata } });
  assert.ok("node" in read);
  return read.node;
}

const vm = (metadata?: Readonly<Record<string, unknown>>): ProxyNode =>
  node("sidecar~10.0.0.7~vm.default~default.svc.cluster.local", metadata);

const laptop = (name: string, port: number): ProxyNode =>
  node(`sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`, {
    HEDDLE_INBOUND: [{ servicePort: 9080, port, appPort: port + 1 }],
  });

describe("AutoRegistration", () => {
  test("a proxy that connects is a WorkloadEntry of its group; node, group and template say how it is, in this order", () => {
    const { mesh, registration, endpoints } = setUp(entry + group);
    registration.connect(vm({ NETWORK: "net", LABELS: { version: "v2a" } }));
    const object = mesh.object("WorkloadEntry", "default", "reviews-v2-10.0.0.7-net");
    assert.deepEqual(object?.spec, {
      address: "10.0.0.7",
      labels: { app: "reviews", version: "v2a" },
      network: "net",
      ports: { http: 9080 },
      serviceAccount: "bookinfo",
    });
    assert.deepEqual(object.metadata.annotations, {
      team: "shop",
      "heddle.dev/proxy": "sidecar~10.0.0.7~vm.default~default.svc.cluster.local",
      "istio.io/autoRegistrationGroup": "reviews-v2",
      "istio.io/workloadController": "pilot-1",
      "istio.io/connectedAt": "1970-01-01T00:16:40.000Z",
    });
    const [endpoint] = endpoints();
    assert.deepEqual(endpoint?.ports, { http: 9080 });
  });

  test("workloads that share a host are told apart by the proxy's name, and each serves its own port", () => {
    const { mesh, registration, endpoints } = setUp(entry + group);
    const [one, two] = [laptop("reviews-v2-1", 41001), laptop("other", 42001)];
    registration.connect(one);
    registration.connect(two);
    assert.ok(mesh.object("WorkloadEntry", "default", "reviews-v2-1"));
    assert.ok(mesh.object("WorkloadEntry", "default", "reviews-v2-other"));
    assert.deepEqual(
      endpoints().map(({ ports }) => ports["http"]),
      [41001, 42001],
    );
    const targetsOf = (of: ProxyNode): readonly number[] =>
      proxyView(mesh.state(), of).targets.map(({ targetPort }) => targetPort);
    assert.deepEqual(targetsOf(one), [41001]);
    assert.deepEqual(targetsOf(two), [42001]);
  });

  test("a port that the template does not name is found by its number", () => {
    const { registration, endpoints } = setUp(entry + group.replace("ports: {http: 9080}, ", ""));
    registration.connect(laptop("reviews-v2-1", 41001));
    assert.deepEqual(endpoints()[0]?.ports, { http: 41001 });
  });

  test("ten seconds after its last stream it is gone, and not when it comes back meanwhile", () => {
    const { clock, mesh, registration, endpoints } = setUp(entry + group);
    const first = registration.connect(vm());
    const second = registration.connect(vm());
    first?.disconnect();
    clock.advance(20_000);
    assert.equal(endpoints().length, 1, "one stream is left");
    second?.disconnect();
    second?.disconnect();
    clock.advance(9_999);
    assert.equal(endpoints().length, 1);
    const annotations = mesh.object("WorkloadEntry", "default", "reviews-v2-10.0.0.7")?.metadata
      .annotations;
    assert.equal(annotations?.["istio.io/disconnectedAt"], "1970-01-01T00:17:00.000Z");
    const third = registration.connect(vm());
    clock.advance(10_000);
    assert.equal(endpoints().length, 1, "it came back");
    third?.disconnect();
    clock.advance(10_000);
    assert.deepEqual(endpoints(), []);
    assert.deepEqual(registration.counts, {
      workloads: 0,
      waiting: 0,
      registered: 1,
      unregistered: 1,
      refused: 0,
    });
    assert.equal(clock.waiting, 0);
  });

  test("health counts when its agent looks after it", () => {
    const { registration, endpoints } = setUp(entry + group);
    const probed = registration.connect(vm({ PROXY_CONFIG: { readinessProbe: {} } }));
    const health = (): unknown => endpoints()[0]?.health;
    assert.equal(health(), "unhealthy", "nobody has looked yet");
    probed?.reportHealth({ healthy: true });
    assert.equal(health(), "healthy");
    probed?.reportHealth({ healthy: false, errMessage: "connection refused" });
    assert.equal(health(), "unhealthy");
  });

  test("what drains gets nothing new and is gone at once with its stream", () => {
    const { registration, endpoints } = setUp(entry + group);
    const stream = registration.connect(vm());
    registration.drain("somebody~else");
    assert.equal(endpoints()[0]?.health, "healthy");
    registration.drain(vm().id);
    assert.equal(endpoints()[0]?.health, "draining");
    stream?.disconnect();
    assert.deepEqual(endpoints(), []);
  });

  test("without its group it waits, and is registered when the group comes; a changed group changes it", () => {
    const { registration, endpoints, apply, log } = setUp(entry);
    registration.connect(vm());
    assert.deepEqual(endpoints(), []);
    assert.equal(registration.counts.waiting, 1);
    assert.match(
      log[0] ?? "",
      /waits to be registered: there is no WorkloadGroup default\/reviews-v2/,
    );
    apply(group);
    assert.equal(endpoints()[0]?.labels["version"], "v2");
    apply(group.replace("version: v2", "version: v3"));
    assert.equal(endpoints()[0]?.labels["version"], "v3");
  });

  test("another proxy at the same address takes the place over", () => {
    const { registration, endpoints, clock } = setUp(entry + group);
    const old = registration.connect(vm());
    const again = node("sidecar~10.0.0.7~vm2.default~default.svc.cluster.local");
    registration.connect(again);
    old?.disconnect();
    clock.advance(60_000);
    assert.deepEqual(
      endpoints().map(({ proxyId }) => proxyId),
      [again.id],
    );
  });

  test("who does not ask is not registered, and nobody beyond the limit", () => {
    const { registration, log } = setUp(entry + group, 1);
    assert.equal(registration.connect(nodeOf()), undefined);
    assert.ok(registration.connect(laptop("a", 1000)));
    assert.equal(registration.connect(laptop("b", 2000)), undefined);
    assert.equal(registration.counts.refused, 1);
    assert.match(log.at(-1) ?? "", /is not registered: there are 1 workloads already/);
  });

  test("an entry that somebody wrote goes before one of the same name", () => {
    const { registration, endpoints, apply } = setUp(entry + group);
    apply(`
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2-10.0.0.7}
spec: {address: 192.0.2.1, labels: {app: reviews}}
`);
    registration.connect(vm());
    assert.deepEqual(
      endpoints().map(({ address }) => address),
      ["192.0.2.1"],
    );
  });

  test("entries outlive Pilot: those whose proxies come back stay all the time, and stay as healthy as they were", () => {
    const saved = new MemoryStore({ clock: new FakeClock(1_000_000) });
    const before = setUp(entry + group, 10, saved);
    for (const [name, port] of [
      ["reviews-v2-1", 20_001],
      ["reviews-v2-2", 20_011],
    ] as const)
      before.registration.connect(laptop(name, port));
    before.registration.reportHealth(laptop("reviews-v2-2", 20_011).id, false);
    before.registration.stop();
    const { registration, clock, endpoints } = setUp(entry + group, 10, saved);
    const seen = () => endpoints().map(({ ports, health }) => `${ports["http"]} ${health}`);
    assert.deepEqual(seen(), ["20001 healthy", "20011 unhealthy"]);
    registration.connect(laptop("reviews-v2-2", 20_011));
    assert.deepEqual(seen(), ["20001 healthy", "20011 unhealthy"]);
    clock.advance(10_000);
    assert.deepEqual(seen(), ["20011 unhealthy"]);
    assert.deepEqual(
      saved.list().map(({ metadata }) => metadata.name),
      ["reviews-v2-2"],
    );
  });

  test("who is about to go, and who stands beside a program, say so by the proxy's id", () => {
    const { registration, endpoints } = setUp(entry + group);
    const { id } = laptop("reviews-v2-1", 20_001);
    assert.deepEqual([registration.drain(id), registration.reportHealth(id, true)], [false, false]);
    const stream = registration.connect(laptop("reviews-v2-1", 20_001));
    assert.equal(registration.reportHealth(id, false), true);
    assert.equal(endpoints()[0]?.health, "unhealthy");
    assert.equal(registration.drain(id), true);
    assert.equal(endpoints()[0]?.health, "draining");
    stream?.disconnect();
    assert.deepEqual(endpoints(), []);
  });
});
