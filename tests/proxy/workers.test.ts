import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection } from "node:net";
import { test } from "node:test";
import { answer, byHand, response } from "../../testkit/fake-upstream.ts";
import type { RawClient } from "../../testkit/raw-client.ts";
import { extension } from "../parity/harness/config.ts";
import type { Json, JsonObject } from "../parity/harness/placeholders.ts";
import {
  bootstrap,
  cluster,
  connect,
  connectBoth,
  eventually,
  GET,
  loopback,
  ok,
  start,
  startTwo,
  stat,
  statBecomes,
  upstream,
} from "./support.ts";

const toMain = { match: { prefix: "/" }, route: { cluster: "main" } };

test("two workers share a port, serve both, and their counts are added up", async (t) => {
  const server = await upstream(t, answer(response(200, "hi")));
  const proxy = await startTwo(
    t,
    bootstrap([toMain], { clusters: [cluster("main", server.port)] }),
  );
  const clients = await connectBoth(t, proxy);
  for (const client of clients) assert.equal((await client.exchange(GET)).status, 200);

  await statBecomes(proxy, "http.main.downstream_rq_2xx", clients.length);
  await statBecomes(proxy, "http.main.downstream_cx_active", clients.length);
  await statBecomes(proxy, "listener.main.downstream_cx_total", clients.length);
  await statBecomes(proxy, "server.concurrency", 2);
  // Each worker has a pool of its own, and one request at a time was sent.
  await statBecomes(proxy, "cluster.main.upstream_cx_total", 2);
  const { body } = await proxy.admin("/clusters");
  const line = (name: string): string => `main::127.0.0.1:${server.port}::${name}`;
  assert.ok(body.includes(`${line("rq_total")}::${clients.length}\n`), body);
  assert.ok(body.includes(`${line("cx_total")}::2\n`), body);
  assert.ok(body.includes(`${line("cx_active")}::2\n`), body);
  assert.equal(body.split(line("rq_total")).length, 2, "the host is listed once");

  for (const client of clients) client.close();
  await statBecomes(proxy, "http.main.downstream_cx_active", 0);
});

test("a circuit breaker counts the requests of all workers", async (t) => {
  const server = await upstream(t, byHand());
  const breakers = { circuit_breakers: { thresholds: [{ max_requests: 2 }] } };
  const config = bootstrap([toMain], { clusters: [cluster("main", server.port, breakers)] });
  const proxy = await startTwo(t, config);
  const clients = await connectBoth(t, proxy, 2);
  // One by one, so that it is known which ones were let through.
  const waiting: RawClient[] = [];
  let refused = 0;
  const reached = (): number =>
    server.connections.filter(({ received }) => received.endsWith("\r\n\r\n")).length;
  for (const client of clients) {
    await client.write(GET);
    await eventually("the request went one way or the other", () =>
      reached() > waiting.length || client.received !== "" ? true : undefined,
    );
    if (client.received === "") {
      waiting.push(client);
      continue;
    }
    refused++;
    const refusal = await client.response();
    assert.equal(refusal.status, 503);
    assert.equal(refusal.header("x-envoy-overloaded"), "true");
  }
  assert.equal(waiting.length, 2);
  await statBecomes(proxy, "cluster.main.upstream_rq_active_overflow", refused);

  // The two end, and there is room again whichever worker asks.
  for (const connection of server.connections) await connection.write(response(200));
  for (const client of waiting) assert.equal((await client.response()).status, 200);
  await statBecomes(proxy, "cluster.main.upstream_rq_active", 0);
});

test("what an admin page changes reaches every worker", async (t) => {
  const fraction = {
    runtime_key: "switch",
    default_value: { numerator: 0, denominator: "HUNDRED" },
  };
  const proxy = await startTwo(
    t,
    bootstrap(
      [
        {
          match: { prefix: "/", runtime_fraction: fraction },
          direct_response: { status: 201 },
        },
        ok,
      ],
      { runtime: { layers: [{ name: "admin", admin_layer: {} }] } },
    ),
  );
  const clients = await connectBoth(t, proxy);
  const codes = async (): Promise<number[]> => {
    const statuses = new Set<number>();
    for (const client of clients) statuses.add((await client.exchange(GET)).status);
    return [...statuses];
  };
  assert.deepEqual(await codes(), [200]);
  assert.equal((await proxy.admin("/runtime_modify?switch=100", "POST")).status, 200);
  await eventually("every worker takes the other route", async () =>
    (await codes()).join() === "201" ? true : undefined,
  );
  const { body } = await proxy.admin("/runtime");
  assert.equal(JSON.parse(body).entries.switch.final_value, "100");
  await proxy.admin("/runtime_modify?switch=", "POST");
  await eventually("the value is gone again", async () =>
    (await codes()).join() === "200" ? true : undefined,
  );

  await proxy.admin("/reset_counters", "POST");
  assert.equal(await stat(proxy, "http.main.downstream_rq_2xx"), 0);
  assert.equal(await stat(proxy, "http.main.downstream_cx_active"), clients.length);
  await clients[0]?.exchange(GET);
  await statBecomes(proxy, "http.main.downstream_rq_2xx", 1);
});

test("/ready, /server_info, /listeners and /config_dump say what runs", async (t) => {
  const proxy = await startTwo(t, bootstrap([ok], { clusters: [cluster("main", 1)] }));
  const ready = await proxy.admin("/ready");
  assert.deepEqual([ready.status, ready.body], [200, "LIVE\n"]);
  const info = JSON.parse((await proxy.admin("/server_info")).body);
  assert.equal(info.state, "LIVE");
  assert.equal(info.command_line_options.concurrency, 2);
  const { listener_statuses: listeners } = JSON.parse(
    (await proxy.admin("/listeners?format=json")).body,
  );
  assert.equal(listeners.length, 1);
  assert.notEqual(listeners[0].local_address.socket_address.port_value, 0);
  const { configs } = JSON.parse((await proxy.admin("/config_dump")).body);
  const types = configs.map((config: { "@type": string }) => config["@type"].split(".").at(-1));
  for (const type of ["BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump"])
    assert.ok(types.includes(type), `${type} of ${types}`);
});

test("/healthcheck/fail makes the proxy unready and ends connections with their next answer; /ok undoes it", async (t) => {
  const proxy = await startTwo(t, bootstrap([ok]));
  const ends = async (): Promise<boolean> =>
    (await (await connect(t, proxy)).exchange(GET)).header("connection") === "close";
  assert.equal(await ends(), false);
  assert.equal((await proxy.admin("/healthcheck/fail", "POST")).status, 200);
  const failing = await proxy.admin("/ready");
  assert.deepEqual([failing.status, failing.body], [503, "DRAINING\n"]);
  await eventually("answers end connections", async () => (await ends()) || undefined);
  assert.equal((await proxy.admin("/healthcheck/ok", "POST")).status, 200);
  assert.equal((await proxy.admin("/ready")).status, 200);
  await eventually("connections stay", async () => ((await ends()) ? undefined : true));
});

test("/drain_listeners closes the port in every worker, and the proxy stays", async (t) => {
  const proxy = await startTwo(t, bootstrap([ok]));
  const address = proxy.listener("main");
  assert.equal((await proxy.admin("/drain_listeners", "POST")).status, 200);
  await eventually("nobody accepts", async () => {
    const socket = createConnection("port" in address ? address : address);
    const accepted = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return accepted ? undefined : true;
  });
  assert.equal(proxy.running, true);
  assert.equal((await proxy.admin("/server_info")).status, 200);
});

test("/logging changes the level", async (t) => {
  const proxy = await start(t, bootstrap([ok]));
  const { status, body } = await proxy.admin("/logging?level=debug", "POST");
  assert.equal(status, 200);
  assert.match(body, /: debug/);
  const info = JSON.parse((await proxy.admin("/server_info")).body);
  assert.equal(info.command_line_options.log_level, "debug");
  assert.equal((await proxy.admin("/logging?level=loud", "POST")).status, 400);
  assert.equal((await proxy.admin("/logging?level=info")).status, 405);
});

for (const workers of ["1", "2"]) {
  test(`/quitquitquit answers and ends the proxy with 0 (${workers} workers)`, async (t) => {
    const proxy = await start(t, bootstrap([ok]), "--concurrency", workers);
    const client = await connect(t, proxy);
    const { status, body } = await proxy.admin("/quitquitquit", "POST");
    assert.deepEqual([status, body], [200, "OK\n"]);
    assert.equal((await proxy.exited).code, 0);
    await client.ended();
  });
}

/** One TCP listener `main` that echoes, with this filter before. */
function echoBehind(name: string, type: string, config: JsonObject): Json {
  const network = (filter: string, message: string, typed: JsonObject): JsonObject =>
    extension(
      `envoy.filters.network.${filter}`,
      `envoy.extensions.filters.network.${filter}.v3.${message}`,
      typed,
    );
  const filters = [network(name, type, config), network("echo", "Echo", {})];
  const listener = { name: "main", stat_prefix: "main", address: loopback };
  return {
    admin: { address: loopback },
    static_resources: { listeners: [{ ...listener, filter_chains: [{ filters }] }] },
  };
}

test("connection_limit counts the connections of all workers", async (t) => {
  const config = { stat_prefix: "all", max_connections: 3, delay: "1000s" };
  const proxy = await startTwo(t, echoBehind("connection_limit", "ConnectionLimit", config));
  const clients = await connectBoth(t, proxy, 3);
  await statBecomes(proxy, "connection_limit.all.limited_connections", clients.length - 3);
  await statBecomes(proxy, "connection_limit.all.active_connections", clients.length);
});

test("the tokens of local_ratelimit are of all workers", async (t) => {
  const config = {
    stat_prefix: "all",
    token_bucket: { max_tokens: 3, fill_interval: "1000s" },
  };
  const proxy = await startTwo(t, echoBehind("local_ratelimit", "LocalRateLimit", config));
  const clients = await connectBoth(t, proxy, 3);
  await statBecomes(proxy, "local_rate_limit.all.rate_limited", clients.length - 3);
});
