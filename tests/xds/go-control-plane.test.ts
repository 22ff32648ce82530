/** The client against the server that most control planes are made with. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openAds, openApi } from "#xds/client.ts";
import { clusterType, endpointType, listenerType, routeType } from "#xds/resource-type.ts";
import type { ResourceClient } from "#xds/subscriber.ts";
import { GoControlPlane } from "../../testkit/go-control-plane.ts";
import { apiSource, clientServices } from "../../testkit/xds/client-services.ts";
import { RecordingSubscriber } from "../../testkit/xds/recording-subscriber.ts";
import { assignment, edsCluster, httpListener } from "./resources.ts";

async function started(t: TestContext, port = 0): Promise<GoControlPlane> {
  const server = await GoControlPlane.start(port);
  t.after(() => server.kill());
  return server;
}

interface Clients {
  readonly client: ResourceClient;
  readonly clusters: RecordingSubscriber;
  readonly endpoints: RecordingSubscriber;
  readonly listeners: RecordingSubscriber;
  readonly routes: RecordingSubscriber;
}

/** As a proxy would: what a resource refers to is asked for when it comes. */
function proxyLike(t: TestContext, client: ResourceClient): Clients {
  t.after(() => client.close());
  const clusters = new RecordingSubscriber(clusterType);
  const endpoints = new RecordingSubscriber(endpointType);
  const listeners = new RecordingSubscriber(listenerType);
  const routes = new RecordingSubscriber(routeType);
  const eds = client.subscribe(endpoints, []);
  const rds = client.subscribe(routes, []);
  clusters.refuse = ({ set, removed }) => {
    const bad = set.filter(({ json }) => json["connectTimeout"] === "666s");
    eds.add(set.map(({ name }) => name));
    eds.remove(removed);
    return bad.map(({ name }) => ({ name, path: "connect_timeout", message: "is too long" }));
  };
  listeners.refuse = ({ set }) => {
    rds.add(set.map(({ name }) => `routes of ${name}`));
    return [];
  };
  client.subscribe(clusters, "all");
  client.subscribe(listeners, "all");
  client.start();
  return { client, clusters, endpoints, listeners, routes };
}

const world = (...names: readonly string[]) => ({
  clusters: names.map((name) => edsCluster(name)),
  endpoints: names.map((name, index) => assignment(name, [index + 1])),
  listeners: [httpListener("in", "routes of in")],
  routes: [{ name: "routes of in", virtualHosts: [{ name: "all", domains: ["*"] }] }],
});

for (const apiType of ["GRPC", "DELTA_GRPC"] as const) {
  const connect = (t: TestContext, ...ports: readonly number[]): Clients =>
    proxyLike(t, openAds(apiSource(apiType, ...ports), clientServices()));

  test(`${apiType}: the first world and those after it`, async (t) => {
    const server = await started(t);
    await server.set({ version: "1", ...world("a", "b") });
    const { clusters, endpoints, listeners, routes } = connect(t, server.port);
    await endpoints.until(() => endpoints.names.join() === "a,b");
    await routes.until(() => routes.names.join() === "routes of in");
    assert.deepEqual(listeners.resources.get("in"), httpListener("in", "routes of in"));
    await server.set({ version: "2", ...world("b", "c") });
    await clusters.until(() => clusters.names.join() === "b,c");
    await endpoints.until(() => endpoints.names.includes("c"));
    assert.deepEqual(endpoints.resources.get("c"), assignment("c", [2]));
    assert.deepEqual(new Set(server.events.flatMap(({ error }) => error ?? [])), new Set());
    assert.equal(server.events.find(({ event }) => event === "request")?.node, "test-node");
  });

  test(`${apiType}: a refused cluster is named to the server, the others are taken`, async (t) => {
    const server = await started(t);
    await server.set({ version: "1", ...world("a", "b") });
    const { client, clusters } = connect(t, server.port);
    await clusters.until(() => clusters.names.join() === "a,b");
    const bad = { ...edsCluster("a"), connectTimeout: "666s" };
    const good = { ...edsCluster("b"), connectTimeout: "4s" };
    await server.set({ ...world("a", "b"), version: "2", clusters: [bad, good] });
    await clusters.until(() => clusters.resources.get("b")?.["connectTimeout"] === "4s");
    const refusal = (): string | undefined =>
      server.requests("Cluster").find(({ error }) => error !== undefined)?.error;
    await server.until(() => refusal() !== undefined);
    assert.equal(refusal(), "a: connect_timeout: is too long");
    assert.equal(clusters.resources.get("a")?.["connectTimeout"], "5s");
    const [cds] = client.dump();
    assert.deepEqual(
      cds?.resources.map(({ status }) => status),
      ["nacked", "acked"],
    );
    await server.set({ version: "3", ...world("a", "b", "c") });
    await clusters.until(() => clusters.names.includes("c"));
    await server.until(() => {
      const last = server.requests("Cluster").at(-1);
      return last?.error === undefined && last?.nonce !== undefined;
    });
  });

  test(`${apiType}: killed and started again: the client comes back with what it has`, async (t) => {
    const first = await started(t);
    await first.set({ version: "1", ...world("a", "b") });
    const { client, clusters, endpoints } = connect(t, first.port);
    await endpoints.until(() => endpoints.names.join() === "a,b");
    const updates = clusters.updates.length;
    await first.kill();
    await clusters.until(() => clusters.failures.length > 0);
    assert.match(clusters.failures[0] ?? "", /the stream to \d+ has ended: status 14/);
    const second = await started(t, first.port);
    await second.set({ version: "2", ...world("a", "b", "c") });
    await endpoints.until(() => endpoints.names.join() === "a,b,c");
    const [request] = second.requests("Cluster");
    if (apiType === "GRPC") assert.equal(request?.version, "1");
    else assert.deepEqual(Object.keys(request?.initial ?? {}).sort(), ["a", "b"]);
    assert.equal(request?.nonce, undefined);
    // What has not changed is not applied again.
    const sets = clusters.updates.slice(updates).flatMap(({ set }) => set.map(({ name }) => name));
    assert.deepEqual(sets, ["c"]);
    assert.equal(client.state, "connected");
  });

  test(`${apiType}: the next server serves when the first is away`, async (t) => {
    const gone = await started(t);
    await gone.kill();
    const second = await started(t);
    await second.set({ version: "1", ...world("a") });
    const { clusters } = connect(t, gone.port, second.port);
    await clusters.until(() => clusters.names.join() === "a");
  });

  test(`${apiType}: a stream for each type`, async (t) => {
    const server = await started(t);
    await server.set({ version: "1", ...world("a") });
    const open = (type: typeof clusterType): ResourceClient => {
      const client = openApi(type, apiSource(apiType, server.port), clientServices());
      t.after(() => client.close());
      return client;
    };
    const clusters = new RecordingSubscriber(clusterType);
    const cds = open(clusterType);
    cds.subscribe(clusters, "all");
    cds.start();
    await clusters.until(() => clusters.names.join() === "a");
    const endpoints = new RecordingSubscriber(endpointType);
    const eds = open(endpointType);
    eds.subscribe(endpoints, ["a"]);
    eds.start();
    await endpoints.until(() => endpoints.names.join() === "a");
  });
}
