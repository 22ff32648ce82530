/** Real Envoy as a sidecar of Pilot: traffic goes where Istio configuration says, and follows it. */
import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { TextMesh } from "../../testkit/pilot-mesh.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { startEnvoy, type Transport } from "../xds/envoy-client.ts";
import { startPilot } from "./start-pilot.ts";

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

/** A listener of a Sidecar is for services of its own port. */
const service = (name: string, { port, at }: { port: number; at: number }): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}}
spec:
  hosts: [${name}.test]
  resolution: STATIC
  ports: [{number: ${port}, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${at}}}]
---`;

/** An egress listener of its own port: nothing is intercepted here. */
const sidecar = (port: number): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec:
  egress:
  - port: {number: ${port}, name: http, protocol: HTTP}
    bind: 127.0.0.1
    captureMode: NONE
    hosts: ["*/*"]
---`;

const rule = (host: string, to: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: rule}
spec:
  hosts: [${host}]
  http: [{route: [{destination: {host: ${to}}}]}]
---`;

function call(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, headers: { host }, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        body += piece;
      });
      response.on("end", () => resolve(`${response.statusCode} ${body}`));
    })
      .on("error", reject)
      .end();
  });
}

async function becomes(
  envoy: ProxyProcess,
  ask: () => Promise<string>,
  due: string,
): Promise<void> {
  while ((await ask()) !== due) assert.ok(envoy.running, envoy.output);
}

/** A port that nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  // Proof: it listens on TCP.
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

const id = "sidecar~10.9.9.9~client.default~default.svc.cluster.local";
/** Nothing binds a port that others on this machine may have. */
const metadata = { INTERCEPTION_MODE: "NONE" };

for (const transport of ["ads-sotw", "ads-delta"] satisfies readonly Transport[]) {
  test(`${transport}: configuration is pushed and acknowledged, traffic follows it`, async (t) => {
    const [a, b] = [await startUpstream(t, "a"), await startUpstream(t, "b")];
    const port = await freePort();
    const world = sidecar(port) + service("a", { port, at: a }) + service("b", { port, at: b });
    const mesh = new TextMesh(world);
    const { pilot, port: xdsPort } = await startPilot(t, mesh);
    const envoy = await startEnvoy(t, { transport, port: xdsPort, id, metadata });
    const ask = (): Promise<string> => call(port, `a.test:${port}`);
    assert.equal(await ask(), "200 a");

    mesh.set(world + rule("a.test", "b.test"));
    const moved = await pilot.acknowledged(pilot.revision, 60_000);
    assert.deepEqual(moved, { acked: [id], refused: [], pending: [] });
    await becomes(envoy, ask, "200 b");

    mesh.set(sidecar(port) + service("a", { port, at: a }));
    assert.deepEqual((await pilot.acknowledged(pilot.revision, 60_000)).refused, []);
    await becomes(envoy, ask, "200 a");

    const { body } = await pilot.answer({ method: "GET", path: "/debug/syncz", body: "" });
    const [status] = JSON.parse(body);
    assert.equal(status.proxy, id);
    for (const type of ["cluster", "listener", "route", "endpoint"])
      assert.equal(status[`${type}_sent`], status[`${type}_acked`], type);
    const dump = await pilot.answer({
      method: "GET",
      path: "/debug/config_dump?proxyID=client.default",
      body: "",
    });
    assert.match(dump.body, /outbound\|\d+\|\|a\.test/);
    assert.doesNotMatch(dump.body, /b\.test/);
    const metrics = await pilot.answer({ method: "GET", path: "/metrics", body: "" });
    assert.match(metrics.body, /^pilot_xds 1$/m);
  });
}
