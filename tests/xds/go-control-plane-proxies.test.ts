/** Both proxies under a control plane that is made with go-control-plane. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { GoControlPlane, type GoSnapshot } from "../../testkit/go-control-plane.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { selectedSides } from "../parity/harness/sides.ts";
import { get, startEnvoy, type Transport } from "./envoy-client.ts";
import { assignment, edsCluster, httpListener, refusedCluster, routeTo } from "./resources.ts";

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

const world = (
  ports: Readonly<Record<string, number>>,
  to: string,
): Omit<GoSnapshot, "version"> => ({
  clusters: Object.keys(ports).map((name) => edsCluster(name)),
  endpoints: Object.entries(ports).map(([name, port]) => assignment(name, [port])),
  listeners: [httpListener("in", "main")],
  routes: [routeTo("main", to)],
});

/** Asks until the answer is the one that is due; no other may be a failure. */
async function becomes(proxy: ProxyProcess, body: string): Promise<void> {
  for (;;) {
    const answer = await get(proxy, "in");
    assert.equal(answer.status, 200, answer.body);
    if (answer.body === body) return;
  }
}

const transports: readonly Transport[] = ["ads-sotw", "ads-delta"];
for (const side of selectedSides())
  for (const transport of transports)
    test(`${side.name}, ${transport}: follows go-control-plane, refuses by name, outlives it`, async (t) => {
      const ports = { one: await startUpstream(t, "one"), two: await startUpstream(t, "two") };
      const server = await GoControlPlane.start(0);
      t.after(() => server.kill());
      const id = "test-node";
      await server.set({ version: "1", ...world(ports, "one") });
      const proxy = await startEnvoy(t, { side, transport, port: server.port, id });
      assert.deepEqual(await get(proxy, "in"), { status: 200, body: "one" });
      await server.set({ version: "2", ...world(ports, "two") });
      await becomes(proxy, "two");

      const next = world(ports, "one");
      const clusters = [...(next.clusters ?? []), refusedCluster("bad")];
      await server.set({ version: "3", ...next, clusters });
      await becomes(proxy, "one");
      const refusal = (): string | undefined =>
        server.requests("Cluster").find(({ error }) => error !== undefined)?.error;
      await server.until(() => refusal() !== undefined);
      assert.match(refusal() ?? "", /bad/);

      await server.kill();
      for (let count = 0; count < 20; count++) assert.equal((await get(proxy, "in")).body, "one");
      const again = await GoControlPlane.start(server.port);
      t.after(() => again.kill());
      await again.set({ version: "4", ...world(ports, "two") });
      await becomes(proxy, "two");
    });
