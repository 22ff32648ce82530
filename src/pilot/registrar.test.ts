import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { WorkloadEntryJson } from "#gen/istio/networking/v1alpha3/workload_entry_pb.js";
import { readObjects } from "#model/documents.ts";
import type { ProxyNode } from "#model/node.ts";
import type { ConfigObject } from "#model/object.ts";
import { readNode } from "#model/read-node.ts";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { Mesh } from "./mesh.ts";
import { Registrar } from "./registrar.ts";
import { MemoryStore } from "./stores/memory/memory-store.ts";
import { proxyView } from "./views.ts";

const configured = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: reviews-v1}
spec:
  metadata: {labels: {app: reviews, version: v1}}
  template: {serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: checked}
spec:
  metadata: {labels: {app: reviews, version: v2}}
  template: {ports: {http: 8080}}
  probe: {tcpSocket: {port: 8080}}
`;

function nodeOf(name: string, metadata: Readonly<Record<string, unknown>>, ip = "127.0.0.1") {
  const id = `sidecar~${ip}~${name}.default~default.svc.cluster.local`;
  const read = readNode({ id, metadata });
  assert.ok("node" in read);
  return read.node;
}

const inboundOf = (port: number) => [{ servicePort: 9080, port, appPort: port + 1 }];

function local(name: string, port: number): ProxyNode {
  return nodeOf(name, { AUTO_REGISTER_GROUP: "reviews-v1", HEDDLE_INBOUND: inboundOf(port) });
}

interface Rig {
  readonly registrar: Registrar;
  readonly clock: FakeClock;
  readonly mesh: Mesh;
  readonly entries: MemoryStore;
  readonly config: MemoryStore;
  readonly logged: string[];
  /** `address:port health version` of each endpoint. */
  endpoints(): readonly string[];
}

function rig(t: TestContext, entriesBefore?: MemoryStore): Rig {
  const clock = new FakeClock();
  const config = new MemoryStore({ clock });
  const entries = entriesBefore ?? new MemoryStore({ clock });
  const { objects, problems } = readObjects("a.yaml", configured);
  assert.deepEqual(problems, []);
  config.change({ set: objects.map((object) => ({ object })), author: "ann", message: "" });
  const mesh = new Mesh();
  mesh.follow(config);
  mesh.follow(entries);
  const logged: string[] = [];
  const registrar = new Registrar({
    entries,
    group: (key): ConfigObject | undefined => config.get(key),
    clock,
    log: (level, message) => logged.push(`${level} ${message}`),
  });
  t.after(() => registrar.close());
  const endpoints = (): readonly string[] => {
    const { scope } = proxyView(mesh.state(), local("observer", 1));
    const service = scope.service("reviews.default.svc.cluster.local");
    assert.ok(service);
    return scope
      .endpoints(service)
      .map(
        ({ address, ports, health, labels }) =>
          `${address}:${ports["http"]} ${health} ${labels["version"]}`,
      )
      .sort();
  };
  return { registrar, clock, mesh, entries, config, logged, endpoints };
}

test("a proxy that connects is an endpoint where its sidecar listens, and what it serves is its own", (t) => {
  const { registrar, endpoints, mesh } = rig(t);
  const [one, two] = [local("reviews-v1-1", 20_001), local("reviews-v1-2", 20_011)];
  registrar.connected(one);
  registrar.connected(two);
  assert.deepEqual(endpoints(), ["127.0.0.1:20001 healthy v1", "127.0.0.1:20011 healthy v1"]);
  const { targets } = proxyView(mesh.state(), one);
  assert.deepEqual(
    targets.map(({ targetPort, port }) => [port.number, targetPort]),
    [[9080, 20_001]],
  );
});

test("an entry outlives a lost connection for the grace period, and not longer", (t) => {
  const { registrar, clock, endpoints } = rig(t);
  const node = local("reviews-v1-1", 20_001);
  registrar.connected(node);
  registrar.disconnected(node);
  clock.advance(9_999);
  assert.equal(endpoints().length, 1);
  registrar.connected(node);
  clock.advance(60_000);
  assert.equal(endpoints().length, 1);
  // The new stream of one that reconnects is there before the old one ends.
  registrar.connected(node);
  registrar.disconnected(node);
  clock.advance(60_000);
  assert.equal(endpoints().length, 1);
  registrar.disconnected(node);
  clock.advance(10_000);
  assert.deepEqual(endpoints(), []);
});

test("who leaves gets nothing new, and is gone with its connection", (t) => {
  const { registrar, endpoints } = rig(t);
  const node = local("reviews-v1-1", 20_001);
  registrar.connected(node);
  assert.equal(registrar.leave(node.id), true);
  assert.deepEqual(endpoints(), ["127.0.0.1:20001 draining v1"]);
  registrar.disconnected(node);
  assert.deepEqual(endpoints(), []);
  assert.equal(registrar.leave(node.id), false);
});

test("a group with a probe: nobody is called before somebody says that it is well", (t) => {
  const { registrar, endpoints } = rig(t);
  const node = nodeOf("vm-1", { AUTO_REGISTER_GROUP: "checked" }, "10.0.0.7");
  registrar.connected(node);
  assert.deepEqual(endpoints(), ["10.0.0.7:8080 unhealthy v2"]);
  registrar.setHealth(node.id, true);
  assert.deepEqual(endpoints(), ["10.0.0.7:8080 healthy v2"]);
  registrar.setHealth(node.id, false);
  assert.deepEqual(endpoints(), ["10.0.0.7:8080 unhealthy v2"]);
});

test("a group that comes later, and one that never does", (t) => {
  const { registrar, config, endpoints, logged } = rig(t);
  const late = nodeOf("late", { AUTO_REGISTER_GROUP: "late", HEDDLE_INBOUND: inboundOf(20_021) });
  registrar.connected(late);
  assert.deepEqual(endpoints(), []);
  assert.match(
    logged[0] ?? "",
    /^warning sidecar~.* names the WorkloadGroup late, which is not there/,
  );
  const text = configured.replace("name: reviews-v1", "name: late");
  const [, object] = readObjects("b.yaml", text).objects;
  assert.ok(object);
  config.change({ set: [{ object }], author: "ann", message: "" });
  registrar.refresh();
  assert.deepEqual(endpoints(), ["127.0.0.1:20021 healthy v1"]);
});

test("entries outlive Pilot: those whose proxies come back stay all the time", (t) => {
  const before = rig(t);
  const [one, two] = [local("reviews-v1-1", 20_001), local("reviews-v1-2", 20_011)];
  before.registrar.connected(one);
  before.registrar.connected(two);
  before.registrar.close();
  const { registrar, clock, endpoints, entries } = rig(t, before.entries);
  assert.equal(endpoints().length, 2);
  const revision = entries.revision;
  registrar.connected(two);
  assert.equal(entries.revision, revision, "what is the same is not written again");
  clock.advance(10_000);
  assert.deepEqual(endpoints(), ["127.0.0.1:20011 healthy v1"]);
});

test("proxies without a group are not registered", (t) => {
  const { registrar, entries } = rig(t);
  registrar.connected(nodeOf("gateway", {}));
  registrar.disconnected(nodeOf("gateway", {}));
  const [entry] = entries.list() as readonly ConfigObject<WorkloadEntryJson>[];
  assert.equal(entry, undefined);
});
