import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GrpcError } from "#grpc/status.ts";
import { MetricsRegistry } from "#lib/prometheus.ts";
import { NamePool } from "#xds/name-set.ts";
import { clusterType, endpointType, listenerType, routeType } from "#xds/resource-type.ts";
import type { Snapshot, XdsConnection } from "#xds/source.ts";
import { FakeClock } from "../../../testkit/fake-clock.ts";
import { TextMesh } from "../../../testkit/pilot-mesh.ts";
import { pushStatus } from "./problem-log.ts";
import { Push } from "./push.ts";

const entry = (name: string, address: string, more = ""): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: ${address}}]
${more}`;

/** What a stream would do, without one: it keeps what it was pushed, and says that it has it when told. */
class Client {
  readonly pushed: Snapshot[] = [];
  /** A stream that has asked for nothing has everything. */
  settled = true;
  connection: XdsConnection;

  constructor(id: string) {
    const client = this;
    this.connection = {
      id,
      node: { id: `sidecar~10.0.0.1~${id}.default~default.svc.cluster.local` },
      peer: "here",
      protocol: "delta",
      only: undefined,
      connectedAtMs: 0,
      subscriptions: [],
      get snapshot() {
        return client.pushed.at(-1);
      },
      get settled() {
        return client.settled;
      },
      push: (snapshot) => {
        client.pushed.push(snapshot);
      },
      close: () => {},
    };
  }
}

function started(text: string) {
  const clock = new FakeClock();
  const mesh = new TextMesh(text);
  const metrics = new MetricsRegistry();
  const deferred: (() => void)[] = [];
  const logged: string[] = [];
  const push = new Push({
    clock,
    mesh,
    metrics,
    defer: (work) => deferred.push(work),
    log: (_level, message) => logged.push(message),
  });
  push.start();
  const turn = () => {
    while (deferred.length > 0) deferred.shift()?.();
  };
  const connect = (id: string) => {
    const client = new Client(id);
    push.connect(client.connection);
    turn();
    return client;
  };
  const change = (next: string) => {
    mesh.set(next);
    clock.advance(100);
    turn();
  };
  return { clock, mesh, metrics, push, turn, connect, change, logged };
}

const two = `${entry("a", "10.1.0.1")}---${entry("b", "10.1.0.2")}`;
const pool = new NamePool();
const cluster = (name: string): string => `outbound|80||${name}.example.com`;

describe("snapshots", () => {
  it("are the same sets for proxies of a kind", () => {
    const { connect } = started(two);
    const [first, second] = [connect("x").pushed[0], connect("y").pushed[0]];
    for (const type of [clusterType, listenerType])
      assert.equal(first?.resources(type, undefined), second?.resources(type, undefined));
    const names = pool.of(new Set([cluster("a"), cluster("b")]));
    const endpoints = first?.resources(endpointType, names);
    assert.equal(endpoints?.size, 2);
    assert.equal(second?.resources(endpointType, names), endpoints);
  });

  it("a change of endpoints changes these, and nothing else", () => {
    const { connect, change } = started(two);
    const client = connect("x");
    const names = pool.of(new Set([cluster("a"), cluster("b")]));
    const [before] = client.pushed;
    const read = (snapshot: Snapshot | undefined) => {
      assert.ok(snapshot);
      return {
        clusters: snapshot.resources(clusterType, undefined),
        listeners: snapshot.resources(listenerType, undefined),
        endpoints: snapshot.resources(endpointType, names),
      };
    };
    const old = read(before);
    change(`${entry("a", "10.1.0.9")}---${entry("b", "10.1.0.2")}`);
    const now = read(client.pushed[1]);
    assert.equal(now.clusters, old.clusters);
    assert.equal(now.listeners, old.listeners);
    const { changed, removed } = old.endpoints.difference(now.endpoints);
    assert.deepEqual([changed.map(({ name }) => name), removed], [[cluster("a")], []]);
  });

  it("an EDS cluster without endpoints has an assignment all the same", () => {
    const { connect } = started(
      entry("a", "10.1.0.1").replace("endpoints: [{address: 10.1.0.1}]", ""),
    );
    const snapshot = connect("x").pushed[0];
    assert.deepEqual(
      snapshot?.resources(endpointType, pool.of(new Set([cluster("a")])))?.get(cluster("a"))
        ?.object,
      {
        clusterName: cluster("a"),
      },
    );
    const all = [...(snapshot?.resources(endpointType, undefined).names() ?? [])];
    assert.deepEqual(all, [cluster("a")]);
  });

  it("routes are those that are asked for", () => {
    const { connect } = started(two);
    const snapshot = connect("x").pushed[0];
    const set = snapshot?.resources(routeType, pool.of(new Set(["80"])));
    assert.deepEqual([...(set?.names() ?? [])], ["80"]);
  });
});

describe("pushes", () => {
  it("a burst of changes is one push, 100 ms after the last", () => {
    const { clock, mesh, connect, turn } = started(two);
    const client = connect("x");
    mesh.set(entry("a", "10.1.0.3"));
    clock.advance(60);
    mesh.set(entry("a", "10.1.0.4"));
    clock.advance(60);
    turn();
    assert.equal(client.pushed.length, 1);
    clock.advance(40);
    turn();
    assert.equal(client.pushed.length, 2);
  });

  it("a proxy that still works on a push gets the next one when it is done, merged", () => {
    const { push, change, connect, turn } = started(two);
    const client = connect("x");
    client.settled = false;
    change(entry("a", "10.1.0.3"));
    change(entry("a", "10.1.0.4"));
    change(entry("a", "10.1.0.5"));
    assert.equal(client.pushed.length, 2);
    client.settled = true;
    push.onAnswer(client.connection, { type: clusterType, refused: undefined });
    turn();
    assert.equal(client.pushed.length, 3);
  });

  it("a state that cannot be worked out leaves the last one in place", () => {
    const { mesh, connect, change, logged } = started(two);
    const client = connect("x");
    mesh.broken = true;
    change(entry("a", "10.1.0.3"));
    assert.equal(client.pushed.length, 1);
    assert.match(logged.at(-1) ?? "", /the state of the mesh: Error: no state/);
    assert.equal(connect("y").pushed.length, 1);
    mesh.broken = false;
    change(entry("a", "10.1.0.4"));
    assert.equal(client.pushed.length, 2);
  });
});

describe("proxies", () => {
  it("are refused when they do not say who they are, and while nothing has been read", () => {
    const { push, mesh } = started(two);
    const client = new Client("x");
    const nameless = { ...client.connection, node: { id: "me" } };
    assert.throws(() => push.connect(nameless), /node id "me" must be type~ip/);
    mesh.synced = false;
    assert.throws(
      () => push.connect(client.connection),
      (error) => error instanceof GrpcError && error.code === 14,
    );
    assert.equal(push.proxies.size, 0);
  });
});

const refused = { version: "1", nonce: "1", atMs: 0, code: 3, detail: "no such thing" };

describe("a proxy that comes back", () => {
  it("gets what it had, unless something has changed meanwhile, or the proxy has", () => {
    const { push, connect, change } = started(two);
    const snapshotOf = (client: Client) => push.proxies.get(client.connection)?.snapshot;
    const [first, other] = [connect("x"), connect("y")];
    const before = snapshotOf(first);
    push.disconnect(first.connection);
    const again = snapshotOf(connect("x"));
    assert.equal(again?.view.node, before?.view.node);
    assert.equal(again?.changed, false);
    push.disconnect(other.connection);
    change(entry("a", "10.1.0.3"));
    assert.equal(snapshotOf(connect("y"))?.changed, true);
  });

  it("as another proxy of the same id, it is another one", () => {
    const { push, turn, connect } = started(two);
    const client = connect("x");
    push.disconnect(client.connection);
    const { node } = client.connection;
    const labelled = { ...client.connection, node: { ...node, metadata: { LABELS: { a: "b" } } } };
    push.connect(labelled);
    turn();
    assert.deepEqual(push.proxies.get(labelled)?.node.labels, { a: "b" });
  });
});

describe("acknowledged", () => {
  it("says who has taken a revision, who refuses what, and who has not answered", async () => {
    const { clock, push, change, connect } = started(two);
    const [good, bad, slow, same] = ["good", "bad", "slow", "same"].map(connect);
    assert.ok(good && bad && slow && same);
    const sent = { type: clusterType, resources: 1, removed: 0, bytes: 1 };
    slow.settled = false;
    change(entry("a", "10.1.0.3"));
    const revision = push.revision;
    let result: unknown;
    const waiting = push.acknowledged(revision, 1000).then((one) => {
      result = one;
    });
    for (const client of [good, bad, slow]) push.onSent(client.connection, sent);
    push.onAnswer(good.connection, { type: clusterType, refused: undefined });
    push.onAnswer(bad.connection, { type: clusterType, refused });
    await Promise.resolve();
    assert.equal(result, undefined);
    clock.advance(1000);
    await waiting;
    const id = (name: string) => `sidecar~10.0.0.1~${name}.default~default.svc.cluster.local`;
    const refusals = [{ proxy: id("bad"), type: "cds", detail: "no such thing" }];
    assert.deepEqual(result, { acked: [id("good")], refused: refusals, pending: [id("slow")] });
    slow.settled = true;
    push.onAnswer(slow.connection, { type: clusterType, refused: undefined });
    const later = await push.acknowledged(revision, 1000);
    assert.deepEqual(later.acked, [id("good"), id("slow")]);
    assert.equal(clock.waiting, 0);
  });

  it("waits for a revision that is not pushed yet; who goes is not waited for", async () => {
    const { clock, mesh, push, connect, turn } = started(two);
    connect("x");
    const gone = connect("gone");
    gone.settled = false;
    mesh.set(entry("a", "10.1.0.3"));
    const waiting = push.acknowledged(push.revision, 5000);
    clock.advance(100);
    turn();
    push.disconnect(gone.connection);
    assert.deepEqual(await waiting, { acked: [], refused: [], pending: [] });
  });
});

it("metrics have Istio's names", () => {
  const { push, metrics, connect, change } = started(two);
  const client = connect("x");
  push.onSent(client.connection, { type: clusterType, resources: 1, removed: 0, bytes: 5000 });
  push.onAnswer(client.connection, { type: clusterType, refused });
  change(entry("a", "10.1.0.3"));
  const text = metrics.text();
  for (const line of [
    "pilot_xds 1",
    'pilot_xds_pushes{type="cds"} 1',
    'pilot_total_xds_rejects{type="cds"} 1',
    'pilot_xds_cds_reject{node="sidecar~10.0.0.1~x.default~default.svc.cluster.local"} 1',
    'pilot_push_triggers{type="config"} 1',
    'pilot_xds_config_size_bytes_bucket{type="cds",le="10000"} 1',
    "pilot_debounce_time_count 1",
  ])
    assert.ok(text.includes(`\n${line}\n`), line);
});

describe("configuration that has no effect", () => {
  const tcp = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.example.com]
  resolution: STATIC
  addresses: [10.9.0.1]
  ports: [{number: 5432, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.1.0.1}]`;
  const both = `${tcp("first")}\n---${tcp("second")}`;
  const message =
    "second.example.com port 5432 (TCP) wants connections that an older service already takes (TCP): give one of them another port or address";
  const metric = "pilot_conflict_outbound_listener_tcp_over_current_tcp";

  it("is logged once, however many proxies have it, and again when it comes back", () => {
    const { connect, change, logged } = started(both);
    connect("x");
    connect("y");
    const ofIt = () => logged.filter((line) => line.endsWith(message)).length;
    assert.equal(ofIt(), 1);
    change(tcp("first"));
    change(both);
    assert.equal(ofIt(), 2);
  });

  it("is counted and shown while it is there", () => {
    const { connect, change, metrics, push } = started(both);
    connect("x");
    assert.ok(metrics.text().includes(`\n${metric} 1\n`));
    const id = "sidecar~10.0.0.1~x.default~default.svc.cluster.local";
    assert.deepEqual(pushStatus(push.proxies.values()), {
      [metric]: { "10.9.0.1_5432": { proxy: id, message } },
    });
    change(tcp("first"));
    assert.ok(metrics.text().includes(`\n${metric} 0\n`));
    assert.deepEqual(pushStatus(push.proxies.values()), {});
  });
});
