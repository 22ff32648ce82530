import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { answer, byHand, response, type Script } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { type CaseConfig, cluster, extension, http, type JsonObject } from "./harness/config.ts";
import { get } from "./harness/context.ts";

const ok = answer(response(200, "ok"));
const to = (extra: JsonObject): CaseConfig => http({ clusters: [cluster("main", extra)] });
const thresholds = (limits: JsonObject): JsonObject => ({
  circuit_breakers: { thresholds: [limits] },
});
const httpOptions = (common: JsonObject): JsonObject => ({
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      common_http_protocol_options: common,
      explicit_http_config: { http_protocol_options: {} },
    },
  },
});
const overflow = "503 UO upstream_reset_before_response_started{overflow}";

/** Answers a request only when the test says so with `release`. */
function held(): { readonly script: Script; readonly release: () => void } {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const script: Script = async (connection) => {
    while ((await connection.request()) !== undefined) {
      await released;
      await connection.write(response(200, "ok"));
    }
    connection.end();
  };
  return { script, release: () => release() };
}

const breakers: readonly ParityCase[] = [
  {
    name: "max_requests: one more is 503 UO",
    config: to(thresholds({ max_requests: 1, track_remaining: true })),
    upstream: byHand(),
    run: async (t) => {
      const first = await t.connect();
      await first.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await t.stats({
        "cluster.{case}-main.circuit_breakers.default.rq_open": 1,
        "cluster.{case}-main.circuit_breakers.default.remaining_rq": 0,
      });
      const got = await t.get("/");
      assert.equal(got.status, 503);
      assert.equal(got.header("x-envoy-overloaded"), "true");
      assert.equal(await t.logLine(), overflow);
      await upstream.write(response(200, "ok"));
      assert.equal((await first.response()).status, 200);
      await t.stats({
        "cluster.{case}-main.circuit_breakers.default.rq_open": 0,
        "cluster.{case}-main.circuit_breakers.default.remaining_rq": 1,
        "cluster.{case}-main.upstream_rq_active_overflow": 1,
      });
    },
  },
  {
    name: "max_pending_requests 0: no request waits for a connection",
    config: to(thresholds({ max_pending_requests: 0 })),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.equal(await t.logLine(), overflow);
      await t.stats({
        "cluster.{case}-main.upstream_rq_pending_overflow": 1,
        // Set when a count changes, and none does.
        "cluster.{case}-main.circuit_breakers.default.rq_pending_open": 0,
      });
    },
  },
  {
    name: "max_connections: the second request waits for the first connection",
    config: to(thresholds({ max_connections: 1 })),
    upstream: byHand(),
    run: async (t) => {
      const [first, second] = [await t.connect(), await t.connect()];
      await first.write(get("/first"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await second.write(get("/second"));
      await t.stats({
        "cluster.{case}-main.upstream_rq_pending_active": 1,
        "cluster.{case}-main.upstream_cx_overflow": 1,
        "cluster.{case}-main.circuit_breakers.default.cx_open": 1,
      });
      await upstream.write(response(200, "one"));
      assert.equal((await first.response()).body, "one");
      assert.match((await upstream.request())?.raw ?? "", /^GET \/second/);
      await upstream.write(response(200, "two"));
      assert.equal((await second.response()).body, "two");
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 1 });
    },
  },
  {
    name: "per_host_thresholds: the second request waits for the host's only connection",
    config: to({ circuit_breakers: { per_host_thresholds: [{ max_connections: 1 }] } }),
    upstream: byHand(),
    run: async (t) => {
      const [first, second] = [await t.connect(), await t.connect()];
      await first.write(get("/first"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await second.write(get("/second"));
      await t.stats({
        "cluster.{case}-main.upstream_rq_pending_active": 1,
        "cluster.{case}-main.upstream_cx_overflow": 1,
      });
      await upstream.write(response(200, "one"));
      assert.equal((await first.response()).body, "one");
      assert.match((await upstream.request())?.raw ?? "", /^GET \/second/);
      await upstream.write(response(200, "two"));
      assert.equal((await second.response()).body, "two");
      await t.stats({ "cluster.{case}-main.upstream_cx_total": 1 });
    },
  },
  {
    name: "max_connections and max_pending_requests together: the third is 503 UO",
    config: to(thresholds({ max_connections: 1, max_pending_requests: 1 })),
    upstream: byHand(),
    run: async (t) => {
      const [first, second] = [await t.connect(), await t.connect()];
      await first.write(get("/first"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await second.write(get("/second"));
      await t.stats({ "cluster.{case}-main.upstream_rq_pending_active": 1 });
      assert.equal((await t.get("/third")).status, 503);
      assert.equal(await t.logLine(), overflow);
    },
  },
  {
    name: "the thresholds of one priority leave the other alone",
    config: to(thresholds({ priority: "HIGH", max_requests: 0 })),
    upstream: ok,
    run: async (t) => {
      assert.equal((await t.get("/")).status, 200);
    },
  },
  {
    name: "without track_remaining nothing says what remains",
    config: to(thresholds({ max_requests: 7 })),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      const name = "cluster.{case}-main.circuit_breakers.default.remaining_rq";
      assert.equal(await t.stat(name), undefined);
    },
  },
];

const pools: readonly ParityCase[] = [
  {
    name: "a connection is used again",
    config: to({}),
    upstream: ok,
    run: async (t) => {
      for (let sent = 0; sent < 3; sent += 1) await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 1,
        "cluster.{case}-main.upstream_rq_total": 3,
      });
    },
  },
  {
    name: "requests at the same time have connections of their own",
    config: to({}),
    upstream: held().script,
    run: async (t) => {
      for (let sent = 0; sent < 3; sent += 1) await (await t.connect()).write(get("/"));
      await t.stats({
        "cluster.{case}-main.upstream_cx_active": 3,
        "cluster.{case}-main.upstream_rq_active": 3,
      });
    },
  },
  {
    name: "max_requests_per_connection ends a connection",
    config: to(httpOptions({ max_requests_per_connection: 2 })),
    upstream: ok,
    run: async (t) => {
      for (let sent = 0; sent < 4; sent += 1) await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 2,
        "cluster.{case}-main.upstream_cx_max_requests": 2,
        "cluster.{case}-main.upstream_cx_active": 0,
      });
    },
  },
  {
    name: "max_requests_per_connection in the cluster's own field",
    config: to({ max_requests_per_connection: 1 }),
    upstream: ok,
    run: async (t) => {
      for (let sent = 0; sent < 2; sent += 1) await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 2,
        "cluster.{case}-main.upstream_cx_max_requests": 2,
      });
    },
  },
  {
    name: "an idle connection is closed",
    config: to(httpOptions({ idle_timeout: "0.1s" })),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_idle_timeout": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
        "cluster.{case}-main.upstream_cx_destroy_local": 1,
      });
    },
  },
  {
    name: "a connection of max_connection_duration is closed",
    config: to(httpOptions({ max_connection_duration: "0.1s" })),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      await t.stats({
        "cluster.{case}-main.upstream_cx_max_duration_reached": 1,
        "cluster.{case}-main.upstream_cx_active": 0,
      });
    },
  },
  {
    name: "max_connection_duration lets the running request end",
    config: to(httpOptions({ max_connection_duration: "0.05s" })),
    upstream: byHand(),
    run: async (t) => {
      const client = await t.connect();
      await client.write(get("/"));
      const upstream = await t.upstream().connection();
      await upstream.request();
      await t.stats({ "cluster.{case}-main.upstream_cx_max_duration_reached": 1 });
      await upstream.write(response(200, "late"));
      assert.equal((await client.response()).body, "late");
      await t.stats({ "cluster.{case}-main.upstream_cx_active": 0 });
    },
  },
  {
    name: "preconnect opens connections ahead",
    config: to({ preconnect_policy: { per_upstream_preconnect_ratio: 2 } }),
    upstream: byHand(),
    run: async (t) => {
      await (await t.connect()).write(get("/"));
      await t.upstream().connection(1);
      await t.stats({
        "cluster.{case}-main.upstream_cx_total": 2,
        "cluster.{case}-main.upstream_rq_total": 1,
      });
    },
  },
  {
    name: "alt_stat_name names the counters",
    config: to({ alt_stat_name: "{case}-other" }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      await t.stats({
        "cluster.{case}-other.upstream_rq_200": 1,
        "cluster.{case}-other.membership_total": 1,
      });
      assert.equal(await t.stat("cluster.{case}-main.upstream_rq_200"), undefined);
    },
  },
  {
    name: "an endpoint may be a unix socket",
    config: to({
      load_assignment: {
        cluster_name: "{case}-main",
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { pipe: { path: "{folder}/x.sock" } } } }] },
        ],
      },
    }),
    run: async (t) => {
      const server = createServer((socket) => {
        socket.once("data", () => socket.end(response(200, "by pipe", "connection: close")));
        socket.on("error", () => undefined);
      });
      server.listen(`${t.folder}/x.sock`);
      await once(server, "listening");
      try {
        assert.equal((await t.get("/")).body, "by pipe");
      } finally {
        server.close();
      }
    },
  },
];

const failures: readonly ParityCase[] = [
  {
    name: "a refused connection is 503 UF, and counted for the host",
    config: to({
      load_assignment: {
        cluster_name: "{case}-main",
        // Port 1 of loopback: nobody listens there.
        endpoints: [
          {
            lb_endpoints: [
              {
                endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } },
              },
            ],
          },
        ],
      },
    }),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.match(
        await t.logLine(),
        /^503 UF upstream_reset_before_response_started\{remote_connection_failure\|/,
      );
      await t.stats({
        "cluster.{case}-main.upstream_cx_connect_fail": 1,
        "cluster.{case}-main.upstream_rq_pending_failure_eject": 1,
        "cluster.{case}-main.upstream_rq_503": 1,
      });
      const { body } = await t.admin("/clusters");
      assert.match(body, new RegExp(`^${t.id}-main::127\\.0\\.0\\.1:1::cx_connect_fail::1$`, "m"));
    },
  },
  {
    name: "a unix socket that is not there is 503 UF",
    config: to({
      load_assignment: {
        cluster_name: "{case}-main",
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { pipe: { path: "{folder}/no.sock" } } } }] },
        ],
      },
    }),
    run: async (t) => {
      assert.equal((await t.get("/")).status, 503);
      assert.match(await t.logLine(), /^503 UF /);
    },
  },
  {
    name: "upstream_bind_config is where connections come from",
    config: to({
      upstream_bind_config: { source_address: { address: "127.0.0.3", port_value: 0 } },
    }),
    upstream: ok,
    run: async (t) => {
      await t.get("/");
      assert.equal((await t.upstream().connection()).socket.remoteAddress, "127.0.0.3");
    },
  },
  {
    name: "raw_buffer is a transport socket like none",
    config: to({
      transport_socket: extension(
        "envoy.transport_sockets.raw_buffer",
        "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer",
      ),
    }),
    upstream: ok,
    run: async (t) => assert.equal((await t.get("/")).status, 200),
  },
];

parityArea("clusters-connections", [...breakers, ...pools, ...failures]);
