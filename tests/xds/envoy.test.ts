/** Real Envoy as a client of our xDS server, over each transport that xDS has. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { configSource, get, startEnvoy, stat, type Transport, transports } from "./envoy-client.ts";
import {
  assignment,
  edsCluster,
  httpListener,
  refusedCluster,
  routeAnswering,
  routeTo,
} from "./resources.ts";
import { startRest, startXds } from "./xds-server.ts";

async function startUpstream(t: TestContext, answer: string): Promise<number> {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // Proof: it listens on TCP.
  return (server.address() as AddressInfo).port;
}

function webOn(transport: Transport, port: number): FixedSource {
  const from = configSource(transport);
  return new FixedSource(
    new Map<ResourceType, readonly object[]>([
      [clusterType, [edsCluster("web", from)]],
      [endpointType, [assignment("web", [port])]],
      [listenerType, [httpListener("in", "main", from)]],
      [routeType, [routeTo("main", "web")]],
    ]),
  );
}

/** Asks until the answer is the one that is due: a client takes what it has acknowledged a moment later. */
async function becomes(envoy: ProxyProcess, body: string): Promise<void> {
  for (;;) {
    const answer = await get(envoy, "in");
    if (answer.body === body) return;
    assert.ok(envoy.running, envoy.output);
  }
}

const refusedOf = (source: FixedSource) =>
  source.answers.map(({ answer }) => answer.refused).filter((refused) => refused !== undefined);

const streams = transports.filter((one) => one !== "rest");
const runs = selectedSides().flatMap((side) => streams.map((transport) => ({ side, transport })));

for (const { side, transport } of runs) {
  test(`${side.name}, ${transport}: starts, follows changes, refuses by name, comes back`, async (t) => {
    const source = webOn(transport, await startUpstream(t, "one"));
    const { xds, port } = await startXds(t, source);
    const envoy = await startEnvoy(t, { side, transport, port });
    assert.deepEqual(await get(envoy, "in"), { status: 200, body: "one" });
    await source.settled(clusterType, endpointType, listenerType, routeType);
    assert.deepEqual(refusedOf(source), []);

    const two = await startUpstream(t, "two");
    source.set(new Map([[endpointType, [assignment("web", [two])]]]));
    await becomes(envoy, "two");

    const { length } = source.answers;
    const from = configSource(transport);
    const clusters = [edsCluster("web", from), refusedCluster("bad"), edsCluster("more", from)];
    const both = [assignment("web", [two]), assignment("more", [two])];
    source.set(
      new Map<ResourceType, readonly object[]>([
        [clusterType, clusters],
        [endpointType, both],
      ]),
    );
    await source.until(() => source.answers.slice(length).some(({ answer }) => answer.refused));
    const [refused] = refusedOf(source);
    assert.match(refused?.detail ?? "", /bad.*LOGICAL_DNS clusters must have a single/is);

    source.set(new Map([[routeType, [routeAnswering("main", "direct")]]]));
    await becomes(envoy, "direct");

    source.set(new Map([[clusterType, [clusters[0], clusters[2]] as object[]]]));
    await source.settled(clusterType, endpointType, listenerType, routeType);
    assert.equal(await stat(envoy, "cluster_manager.cds.update_rejected"), 1);

    source.answers.length = 0;
    xds.close();
    await source.until(() => source.connections.size === 0);
    source.set(new Map([[routeType, [routeTo("main", "more")]]]));
    await becomes(envoy, "two");
    await source.settled();
    assert.deepEqual(refusedOf(source), []);
  });
}

test("rest: starts, follows changes, is told that nothing has changed", async (t) => {
  const source = webOn("rest", await startUpstream(t, "one"));
  const { port, asked } = await startRest(t, source);
  const envoy = await startEnvoy(t, { transport: "rest", port });
  assert.deepEqual(await get(envoy, "in"), { status: 200, body: "one" });
  source.set(new Map([[endpointType, [assignment("web", [await startUpstream(t, "two")])]]]));
  await becomes(envoy, "two");
  source.set(new Map([[routeType, [routeAnswering("main", "direct")]]]));
  await becomes(envoy, "direct");
  assert.equal(await stat(envoy, "cluster_manager.cds.update_rejected"), 0);
  while ((asked.get(304) ?? 0) < 10) await get(envoy, "in");
  assert.deepEqual([...asked.keys()].sort(), [200, 304]);
});
