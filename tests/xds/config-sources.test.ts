/** Sources from which nothing can come, sent by a control plane: refused, and what was good before keeps serving. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { clusterType, listenerType, type ResourceType, routeType } from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { configSource, get, startEnvoy, type Transport } from "./envoy-client.ts";
import { adsSource, edsCluster, httpListener, routeAnswering } from "./resources.ts";
import { startXds } from "./xds-server.ts";

const transport: Transport = "streams-sotw";

const nowhere: ConfigSourceJson = {
  apiConfigSource: {
    apiType: "GRPC",
    transportApiVersion: "V3",
    grpcServices: [{ envoyGrpc: { clusterName: "nowhere" } }],
  },
  resourceApiVersion: "V3",
};

const bad: readonly (readonly [string, ConfigSourceJson, RegExp])[] = [
  ["ADS without ads_config", adsSource, /ADS must be configured to support an ADS config source/],
  ["a cluster that is not there", nowhere, /nowhere/],
];

for (const side of selectedSides())
  for (const [name, from, message] of bad)
    test(`${side.name}: ${name} is refused in clusters and listeners`, async (t) => {
      const source = new FixedSource(
        new Map<ResourceType, readonly object[]>([
          [clusterType, []],
          [listenerType, [httpListener("in", "main", configSource(transport))]],
          [routeType, [routeAnswering("main", "good")]],
        ]),
      );
      const { port } = await startXds(t, source);
      const proxy = await startEnvoy(t, { side, transport, port });
      source.set(
        new Map<ResourceType, readonly object[]>([
          [clusterType, [edsCluster("other", from)]],
          [listenerType, [httpListener("in", "other", from)]],
        ]),
      );
      const refused = () => source.answers.flatMap(({ answer }) => answer.refused?.detail ?? []);
      await source.until(() => refused().length === 2);
      for (const detail of refused()) assert.match(detail, message);
      assert.deepEqual(await get(proxy, "in"), { status: 200, body: "good" });
    });
