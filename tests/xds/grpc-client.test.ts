/** A real proxyless gRPC client (@grpc/grpc-js-xds): it resolves xds:/// targets through our server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { startClient, startService } from "./grpc-peers.ts";
import { apiListener, assignment, edsCluster, routeTo } from "./resources.ts";
import { startXds } from "./xds-server.ts";

const world = (cluster: string, port: number): ReadonlyMap<ResourceType, readonly object[]> =>
  new Map<ResourceType, readonly object[]>([
    [clusterType, [edsCluster(cluster)]],
    [endpointType, [assignment(cluster, [port])]],
    [listenerType, [apiListener("web", "main")]],
    [routeType, [routeTo("main", cluster)]],
  ]);

test("a gRPC client resolves, follows endpoints and routes, and refuses nothing", async (t) => {
  const source = new FixedSource(world("one", await startService(t, "one")));
  const { port } = await startXds(t, source);
  const call = startClient(t, port);
  assert.equal(await call(), "one");

  source.set(new Map([[endpointType, [assignment("one", [await startService(t, "two")])]]]));
  while ((await call()) !== "two");

  source.set(world("three", await startService(t, "three")));
  while ((await call()) !== "three");

  await source.settled(clusterType, endpointType, listenerType, routeType);
  const refused = source.answers
    .map(({ answer }) => answer.refused)
    .filter((one) => one !== undefined);
  assert.deepEqual(refused, []);
});
