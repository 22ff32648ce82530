import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openAds, openApi } from "#xds/client.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import type { Interest, ResourceClient, Subscription } from "#xds/subscriber.ts";
import { apiSource, clientServices } from "../../testkit/xds/client-services.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { RecordingSubscriber } from "../../testkit/xds/recording-subscriber.ts";
import { assignment, edsCluster, httpListener } from "./resources.ts";
import { startXds } from "./xds-server.ts";

const apiTypes = ["GRPC", "DELTA_GRPC"] as const;

interface Watched {
  readonly subscriber: RecordingSubscriber;
  readonly subscription: Subscription;
}

function watch(client: ResourceClient, type: ResourceType, interest: Interest): Watched {
  const subscriber = new RecordingSubscriber(type);
  return { subscriber, subscription: client.subscribe(subscriber, interest) };
}

function ads(t: TestContext, apiType: "GRPC" | "DELTA_GRPC", port: number): ResourceClient {
  const client = openAds(apiSource(apiType, port), clientServices());
  t.after(() => client.close());
  return client;
}

for (const apiType of apiTypes) {
  test(`${apiType}: everything, names, changes and removals`, async (t) => {
    const source = new FixedSource(
      new Map<ResourceType, object[]>([
        [clusterType, [edsCluster("a"), edsCluster("b")]],
        [endpointType, [assignment("a", [1]), assignment("b", [2])]],
      ]),
    );
    const { port } = await startXds(t, source);
    const client = ads(t, apiType, port);
    const clusters = watch(client, clusterType, "all").subscriber;
    client.start();
    await clusters.until(() => clusters.names.length === 2);
    const { subscriber: endpoints, subscription } = watch(client, endpointType, ["a"]);
    await endpoints.until(() => endpoints.names.join() === "a");
    subscription.add(["b"]);
    await endpoints.until(() => endpoints.names.join() === "a,b");
    assert.deepEqual(endpoints.resources.get("b"), assignment("b", [2]));

    source.set(new Map([[clusterType, [{ ...edsCluster("a"), connectTimeout: "7s" }]]]));
    await clusters.until(() => clusters.names.join() === "a");
    assert.equal(clusters.resources.get("a")?.["connectTimeout"], "7s");
    await source.settled(clusterType, endpointType);
    assert.equal(client.state, "connected");
  });

  test(`${apiType}: a refused resource is named, the others are taken, the last good one stays`, async (t) => {
    const source = new FixedSource(new Map([[clusterType, [edsCluster("a"), edsCluster("b")]]]));
    const { port } = await startXds(t, source);
    const client = ads(t, apiType, port);
    const { subscriber } = watch(client, clusterType, "all");
    subscriber.refuse = ({ set }) =>
      set
        .filter(({ json }) => json["connectTimeout"] === "666s")
        .map(({ name }) => ({ name, path: "connect_timeout", message: "is too long" }));
    client.start();
    await subscriber.until(() => subscriber.names.length === 2);
    await source.settled(clusterType);
    const bad = { ...edsCluster("a"), connectTimeout: "666s" };
    source.set(new Map([[clusterType, [bad, { ...edsCluster("b"), connectTimeout: "1s" }]]]));
    await subscriber.until(() => subscriber.resources.get("b")?.["connectTimeout"] === "1s");
    const refusal = (): string =>
      source.answers.find(({ answer }) => answer.refused !== undefined)?.answer.refused?.detail ??
      "";
    await source.until(() => refusal() !== "");
    assert.match(refusal(), /a: connect_timeout: is too long/);
    const [dump] = client.dump();
    const [a, b] = dump?.resources ?? [];
    assert.equal(a?.status, "nacked");
    assert.equal(a.resource?.json["connectTimeout"], "5s");
    assert.equal(a.refused?.failedConfiguration?.["connectTimeout"], "666s");
    assert.equal(b?.status, "acked");

    const good = { ...edsCluster("a"), connectTimeout: "4s" };
    source.set(new Map([[clusterType, [good, edsCluster("c")]]]));
    await subscriber.until(() => subscriber.names.join() === "a,c");
    await source.settled(clusterType);
    assert.deepEqual(
      client.dump()[0]?.resources.map(({ status }) => status),
      ["acked", "acked"],
    );
  });

  test(`${apiType}: what was taken of a refused answer goes with it when it is undone`, async (t) => {
    const before = new Map([[clusterType, [edsCluster("a"), edsCluster("b")]]]);
    const source = new FixedSource(before);
    const { port } = await startXds(t, source);
    const client = ads(t, apiType, port);
    const clusters = new RecordingSubscriber(clusterType);
    clusters.refuse = ({ set }) =>
      set
        .filter(({ json }) => json["connectTimeout"] === "666s")
        .map(({ name }) => ({ name, path: "connect_timeout", message: "is too long" }));
    client.subscribe(clusters, "all");
    client.start();
    await clusters.until(() => clusters.names.join() === "a,b");
    await source.settled(clusterType);
    const bad = { ...edsCluster("a"), connectTimeout: "666s" };
    const changed = { ...edsCluster("b"), connectTimeout: "1s" };
    source.set(new Map([[clusterType, [bad, changed, edsCluster("new")]]]));
    await source.until(() => source.answers.some(({ answer }) => answer.refused !== undefined));
    assert.deepEqual(clusters.names, ["a", "b", "new"]);
    source.set(before);
    await clusters.until(() => clusters.names.join() === "a,b");
    assert.deepEqual(clusters.resources.get("b"), edsCluster("b"));
    await source.settled(clusterType);
    assert.deepEqual(
      client.dump()[0]?.resources.map(({ status }) => status),
      ["acked", "acked"],
    );
  });

  test(`${apiType}: a stream of its own for a type`, async (t) => {
    const source = new FixedSource(
      new Map<ResourceType, object[]>([[listenerType, [httpListener("in", "r")]]]),
    );
    const { port } = await startXds(t, source);
    const client = openApi(listenerType, apiSource(apiType, port), clientServices());
    t.after(() => client.close());
    const { subscriber } = watch(client, listenerType, "all");
    client.start();
    await subscriber.until(() => subscriber.names.join() === "in");
    assert.throws(() => watch(client, routeType, ["r"]), /a stream of lds brings no rds/);
  });
}
