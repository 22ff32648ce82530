/** RTDS: a layer of the runtime that a control plane sends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clusterType,
  listenerType,
  type ResourceType,
  routeType,
  runtimeType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { configSource, get, startEnvoy, type Transport } from "./envoy-client.ts";
import { httpListener, routeAnswering } from "./resources.ts";
import { startXds } from "./xds-server.ts";

async function runtime(proxy: ProxyProcess): Promise<Readonly<Record<string, string>>> {
  const { body } = await proxy.admin("/runtime?format=json");
  // Proof: admin's own format.
  const { entries } = JSON.parse(body) as { entries?: Record<string, { final_value: string }> };
  return Object.fromEntries(
    Object.entries(entries ?? {}).map(([key, { final_value }]) => [key, final_value]),
  );
}

const transports: readonly Transport[] = ["ads-sotw", "ads-delta", "streams-sotw"];
for (const side of selectedSides())
  for (const transport of transports)
    test(`${side.name}, ${transport}: a runtime layer comes and changes`, async (t) => {
      const layer = (values: object): readonly object[] => [{ name: "mine", layer: values }];
      const source = new FixedSource(
        new Map<ResourceType, readonly object[]>([
          [clusterType, []],
          [listenerType, [httpListener("in", "main", configSource(transport))]],
          [routeType, [routeAnswering("main", "direct")]],
          [runtimeType, layer({ a: { b: 7 }, c: "text" })],
        ]),
      );
      const { port } = await startXds(t, source);
      const layers = [
        { name: "first", staticLayer: { a: { b: 1 }, d: 2 } },
        { name: "second", rtdsLayer: { name: "mine", rtdsConfig: configSource(transport) } },
        { name: "admin", adminLayer: {} },
      ];
      const proxy = await startEnvoy(t, {
        side,
        transport,
        port,
        bootstrap: { layeredRuntime: { layers } },
      });
      assert.deepEqual(await get(proxy, "in"), { status: 200, body: "direct" });
      assert.deepEqual(await runtime(proxy), { "a.b": "7", c: "text", d: "2" });
      source.set(new Map([[runtimeType, layer({ a: { b: 8 } })]]));
      await source.settled(runtimeType);
      for (;;) {
        const now = await runtime(proxy);
        if (now["a.b"] === "8") break;
      }
      assert.deepEqual(await runtime(proxy), { "a.b": "8", d: "2" });
    });
