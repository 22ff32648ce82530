/** A proxy whose control plane is made with go-control-plane: changes, refusals, a control plane that is killed, and one that is away. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { GoControlPlane, type GoSnapshot } from "../../testkit/go-control-plane.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { heddle, selectedSides } from "../parity/harness/sides.ts";
import { eventually } from "../proxy/support.ts";
import { get, startEnvoy, stat } from "./envoy-client.ts";
import {
  assignment,
  edsCluster,
  httpListener,
  refusedCluster,
  routeAnswering,
  routeTo,
} from "./resources.ts";

async function startUpstream(t: TestContext): Promise<number> {
  const server = createServer((_request, response) => response.end("upstream"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // Proof: it listens on TCP.
  return (server.address() as AddressInfo).port;
}

async function startServer(
  t: TestContext,
  snapshot: GoSnapshot,
  port = 0,
): Promise<GoControlPlane> {
  const server = await GoControlPlane.start(port);
  t.after(() => server.kill());
  await server.set(snapshot);
  return server;
}

function answers(proxy: ProxyProcess, expected: string): Promise<true> {
  return eventually(`the answer ${expected}`, async () => {
    const { status, body } = await get(proxy, "in");
    return `${status} ${body}` === expected ? true : undefined;
  });
}

function world(version: string, upstream: number): GoSnapshot {
  return {
    version,
    clusters: [edsCluster("web")],
    endpoints: [assignment("web", [upstream])],
    listeners: [httpListener("in", "main")],
    routes: [routeTo("main", "web")],
  };
}

for (const side of selectedSides())
  for (const transport of ["ads-sotw", "ads-delta"] as const)
    test(`${side.name}, ${transport}: served, changed, refused, killed and started again`, async (t) => {
      const upstream = await startUpstream(t);
      const first = await startServer(t, world("1", upstream));
      const proxy = await startEnvoy(t, { side, transport, port: first.port });
      await answers(proxy, "200 upstream");
      assert.equal(await stat(proxy, "control_plane.connected_state"), 1);
      assert.equal(await stat(proxy, "cluster_manager.cds.update_success"), 1);

      const bad = refusedCluster("bad");
      const changed = { ...world("2", upstream), routes: [routeAnswering("main", "changed")] };
      await first.set({
        ...changed,
        clusters: [edsCluster("web"), bad],
      });
      await answers(proxy, "200 changed");
      await first.until(() =>
        first.requests("Cluster").some(({ error }) => error?.includes("bad") === true),
      );
      assert.ok((await stat(proxy, "cluster_manager.cds.update_rejected")) > 0);

      await first.kill();
      await eventually("the end is noticed", async () =>
        (await stat(proxy, "cluster_manager.cds.update_failure")) > 0 ? true : undefined,
      );
      await answers(proxy, "200 changed");
      await startServer(t, world("3", upstream), first.port);
      await answers(proxy, "200 upstream");
    });

for (const transport of ["ads-sotw", "ads-delta"] as const)
  test(`heddle, ${transport}: started while its control plane is away`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-saved-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const upstream = await startUpstream(t);
    const server = await startServer(t, world("1", upstream));
    const options = {
      side: heddle,
      transport,
      port: server.port,
      arguments: ["--xds-save-path", folder],
    };
    const first = await startEnvoy(t, options);
    await answers(first, "200 upstream");
    await eventually("all is saved", () => {
      const [name] = readdirSync(folder).filter((file) => file.endsWith(".saved"));
      const text = name === undefined ? "" : readFileSync(join(folder, name), "utf8");
      const types = ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"];
      return types.every((type) => text.includes(`.${type}","resources":[{`)) ? true : undefined;
    });
    await first.stop();
    await server.kill();

    const second = await startEnvoy(t, options);
    await answers(second, "200 upstream");
    await startServer(
      t,
      { ...world("2", upstream), routes: [routeAnswering("main", "there again")] },
      server.port,
    );
    await answers(second, "200 there again");
  });
