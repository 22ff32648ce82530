/** Listeners that cannot listen, share an address or change under connections that have said nothing yet. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { type TestContext, test } from "node:test";
import type { ListenerJson } from "#gen/envoy/config/listener/v3/listener_pb.js";
import { clusterType, listenerType, type ResourceType, routeType } from "#xds/resource-type.ts";
import { FixedSource } from "../../testkit/xds/fixed-source.ts";
import type { ProxyProcess } from "../parity/harness/proxy-process.ts";
import { type Side, selectedSides } from "../parity/harness/sides.ts";
import { get, startEnvoy, stat } from "./envoy-client.ts";
import { httpListener, routeAnswering } from "./resources.ts";
import { startXds } from "./xds-server.ts";

/** Of its own: a port that is free is not taken by the rest of the machine meanwhile. */
const host = "127.61.3.9";

interface Setup {
  readonly side: Side;
  readonly workers: number;
  readonly listeners: readonly ListenerJson[];
}

async function start(t: TestContext, { side, workers, listeners }: Setup) {
  const source = new FixedSource(
    new Map<ResourceType, readonly object[]>([
      [clusterType, []],
      [listenerType, listeners],
      [routeType, [routeAnswering("main", "main")]],
    ]),
  );
  const { port } = await startXds(t, source);
  const args = ["--concurrency", String(workers)];
  const proxy = await startEnvoy(t, { side, transport: "ads-delta", port, arguments: args });
  return { source, proxy };
}

async function occupy(t: TestContext): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, host);
  await once(server, "listening");
  t.after(() => server.close());
  // Proof: it listens on TCP.
  return { server, port: (server.address() as AddressInfo).port };
}

async function free(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}

function at(listener: ListenerJson, portValue: number): ListenerJson {
  return { ...listener, address: { socketAddress: { address: host, portValue } } };
}

/** What the proxy says to these listeners; empty: nothing is wrong with them. */
async function verdict(source: FixedSource, listeners: readonly ListenerJson[]): Promise<string> {
  const { length } = source.answers;
  source.set(new Map([[listenerType, listeners]]));
  const found = () =>
    source.answers.slice(length).find(({ answer }) => answer.type === listenerType);
  await source.until(() => found() !== undefined);
  return found()?.answer.refused?.detail ?? "";
}

function clone(listener: ListenerJson, from: string, to: string): ListenerJson {
  return JSON.parse(JSON.stringify(listener).replace(from, to));
}

const inspector = {
  name: "http_inspector",
  typedConfig: {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
  },
};

/** A listener that the proxy was not started with. */
async function answerAt(port: number): Promise<string> {
  const response = await fetch(`http://${host}:${port}/`, { headers: { connection: "close" } });
  return response.text();
}

const runs = selectedSides().flatMap((side) =>
  (side.name === "heddle" ? [1, 2] : [1]).map((workers) => ({ side, workers })),
);

for (const { side, workers } of runs) {
  const name = `${side.name} with ${workers}`;

  test(`${name}: a listener that cannot open its port is refused, and the one before serves on`, async (t) => {
    const before = httpListener("in", "main");
    const { source, proxy } = await start(t, { side, workers, listeners: [before] });
    const { server, port } = await occupy(t);
    assert.match(await verdict(source, [at(before, port)]), /ddress already in use/);
    assert.deepEqual(await get(proxy, "in"), { status: 200, body: "main" });
    // Another version that cannot listen either.
    const other = { ...at(before, port), perConnectionBufferLimitBytes: 9999 };
    assert.match(await verdict(source, [other]), /ddress already in use/);
    await free(server);
    assert.equal(await verdict(source, [at(before, port)]), "");
    assert.equal(await answerAt(port), "main");
  });

  test(`${name}: two listeners of one address are refused`, async (t) => {
    const { server, port } = await occupy(t);
    await free(server);
    const one = at(httpListener("in", "main"), port);
    const { source, proxy } = await start(t, { side, workers, listeners: [one] });
    const two = at(httpListener("two", "main"), port);
    assert.match(
      await verdict(source, [one, two]),
      new RegExp(`'two' has duplicate address '${host}:${port}' as existing listener`),
    );
    assert.deepEqual(await get(proxy, "in"), { status: 200, body: "main" });
    // The first one has left it.
    assert.equal(await verdict(source, [at(one, 0), two]), "");
  });

  test(`${name}: a connection that has said nothing outlives a change of all filter chains`, async (t) => {
    const before: ListenerJson = { ...httpListener("in", "main"), listenerFilters: [inspector] };
    const { source, proxy } = await start(t, { side, workers, listeners: [before] });
    const { client, said } = await openSilently(t, proxy);
    const after = clone(before, '"statPrefix":"in"', '"statPrefix":"changed"');
    assert.equal(await verdict(source, [after]), "");
    while (
      (await stat(proxy, "listener_manager.listener_in_place_updated")) +
        (await stat(proxy, "listener_manager.listener_modified")) ===
      0
    )
      assert.ok(proxy.running, proxy.output);
    client.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert.match(await said, /^HTTP\/1.1 200 [\s\S]*main$/);
    assert.equal(await stat(proxy, "http.changed.downstream_rq_total"), 1);
  });

  test(`${name}: routes reach a listener whose sockets were opened anew`, async (t) => {
    const before = httpListener("in", "main");
    const { source, proxy } = await start(t, { side, workers, listeners: [before] });
    const { server, port } = await occupy(t);
    await free(server);
    const more = { address: { socketAddress: { address: host, portValue: port } } };
    assert.equal(await verdict(source, [{ ...before, additionalAddresses: [more] }]), "");
    assert.equal(await answerAt(port), "main");
    source.set(new Map([[routeType, [routeAnswering("main", "changed")]]]));
    while ((await answerAt(port)) !== "changed") assert.ok(proxy.running, proxy.output);
  });
}

async function openSilently(t: TestContext, proxy: ProxyProcess) {
  const address = proxy.listener("in");
  assert.ok("port" in address);
  const client = connect(address.port, address.host);
  t.after(() => client.destroy());
  let text = "";
  client.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  const said = new Promise<string>((resolve) => {
    client.on("error", (error) => resolve(error.message));
    client.on("close", () => resolve(text));
  });
  await once(client, "connect");
  while ((await stat(proxy, "listener.127.0.0.1_0.downstream_pre_cx_active")) === 0)
    assert.ok(proxy.running, proxy.output);
  return { client, said };
}
