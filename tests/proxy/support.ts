/** A proxy process for tests of what belongs to the process: signals, workers, the command line. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FakeUpstream, type Script } from "../../testkit/fake-upstream.ts";
import { RawClient } from "../../testkit/raw-client.ts";
import { PATIENCE_MS } from "../../testkit/wire.ts";
import { extension, router } from "../parity/harness/config.ts";
import type { Json, JsonObject } from "../parity/harness/placeholders.ts";
import { type Finished, ProxyProcess } from "../parity/harness/proxy-process.ts";
import type { Side } from "../parity/harness/sides.ts";

export const side: Side = {
  name: "heddle",
  command: () => [
    process.execPath,
    fileURLToPath(new URL("../../src/main/heddle.ts", import.meta.url)),
    "proxy",
  ],
  serveArguments: ["--file-flush-interval-msec", "10"],
};

export const loopback = { socket_address: { address: "127.0.0.1", port_value: 0 } };

export const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

export const ok: JsonObject = { match: { prefix: "/" }, direct_response: { status: 200 } };

/** One HTTP listener `main` with these routes. */
export function bootstrap(
  routes: readonly JsonObject[],
  { manager = {}, ...rest }: { manager?: JsonObject; clusters?: Json; runtime?: Json } = {},
): JsonObject {
  const type = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
  const filter = extension("envoy.filters.network.http_connection_manager", type, {
    stat_prefix: "main",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [router()],
    ...manager,
  });
  return {
    admin: { address: loopback },
    ...(rest.runtime === undefined ? {} : { layered_runtime: rest.runtime }),
    static_resources: {
      listeners: [
        {
          name: "main",
          stat_prefix: "main",
          address: loopback,
          filter_chains: [{ filters: [filter] }],
        },
      ],
      clusters: rest.clusters ?? [],
    },
  };
}

export function cluster(name: string, port: number, more: JsonObject = {}): JsonObject {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return {
    name,
    type: "STATIC",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...more,
  };
}

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "heddle-proxy-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function upstream(t: TestContext, script: Script): Promise<FakeUpstream> {
  const server = await new FakeUpstream(script).listen();
  t.after(() => server.close());
  return server;
}

export async function start(
  t: TestContext,
  config: Json,
  ...argv: readonly string[]
): Promise<ProxyProcess> {
  const folder = temporaryFolder(t);
  const proxy = await ProxyProcess.start({ side, bootstrap: config, folder, arguments: argv });
  t.after(() => proxy.stop());
  return proxy;
}

/** Runs a proxy that ends by itself. */
export function finish(
  t: TestContext,
  config: Json,
  ...argv: readonly string[]
): Promise<Finished> {
  return ProxyProcess.finish({
    side,
    bootstrap: config,
    folder: temporaryFolder(t),
    arguments: argv,
  });
}

export async function connect(
  t: TestContext,
  proxy: ProxyProcess,
  listener = "main",
): Promise<RawClient> {
  const client = await RawClient.connect(
    proxy.listener(listener) as { host: string; port: number },
  );
  t.after(() => client.close());
  return client;
}

/** Undefined while the listener still accepts. */
export async function refuses(proxy: ProxyProcess, listener = "main"): Promise<true | undefined> {
  const socket = dial(proxy.listener(listener) as { host: string; port: number });
  const outcome = await Promise.race([
    once(socket, "connect").then(() => "accepted"),
    once(socket, "error").then(([error]) => (error as NodeJS.ErrnoException).code),
  ]).catch((error: NodeJS.ErrnoException) => error.code);
  socket.destroy();
  return outcome === "ECONNREFUSED" ? true : undefined;
}

/** Looks again until `look` finds something: for states that no event announces. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(!deadline.aborted, `never: ${what}`);
    await delay(10);
  }
}

export async function stat(proxy: ProxyProcess, name: string): Promise<number | undefined> {
  const { body } = await proxy.admin(`/stats?format=json`);
  const { stats } = JSON.parse(body) as { stats: { name?: string; value?: number }[] };
  return stats.find((entry) => entry.name === name)?.value;
}

export async function statBecomes(proxy: ProxyProcess, name: string, value: number): Promise<void> {
  let last: number | undefined;
  await eventually(`${name} is ${value}`, async () => {
    last = await stat(proxy, name);
    return last === value ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${name} is ${last}, not ${value}`, { cause: error });
  });
}

export const startTwo = (t: TestContext, config: Json): Promise<ProxyProcess> =>
  start(t, config, "--concurrency", "2");

const perWorker = async (proxy: ProxyProcess): Promise<number[]> => [
  (await stat(proxy, "listener.main.worker_0.downstream_cx_total")) ?? 0,
  (await stat(proxy, "listener.main.worker_1.downstream_cx_total")) ?? 0,
];

/** Connections until both workers have at least `each`: the kernel chooses by the client's port, so no number is sure. */
export async function connectBoth(
  t: TestContext,
  proxy: ProxyProcess,
  each = 1,
): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let round = 0; round < 100; round++) {
    for (let index = 0; index < 4; index++) clients.push(await connect(t, proxy));
    const counts = await eventually("all connections are accepted", async () => {
      const counted = await perWorker(proxy);
      return counted.reduce((a, b) => a + b) === clients.length ? counted : undefined;
    });
    if (Math.min(...counts) >= each) return clients;
  }
  throw new Error("one worker gets no connections");
}
